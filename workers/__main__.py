"""`python -m workers` is `inbox`."""

from workers.cli import main

main()
