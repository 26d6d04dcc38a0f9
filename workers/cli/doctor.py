"""`inbox doctor`: says of each thing that a worker needs whether it is right, and what to do."""

import asyncio
import logging
import sys

import click

from workers.cli.failures import expected_failures
from workers.doctor.checks import CHECKS, Check, Wrong
from workers.process.errors import CommandFailed
from workers.settings import Settings, SettingsError

CHECK_SECONDS = 15.0
"""The limit of each check: a server may take connections and never answer."""

LINE_CHARACTERS_MAX = 300
"""The longest description of what is wrong. Topics may differ in dozens of places."""


@click.command()
def doctor() -> None:
    """Check settings, Kafka, topics, Postgres, the schema, and whether records were lost.

    Prints a line for each check, and what to do where something is wrong. Changes nothing. The exit
    status is 0 if all is right, else 1.
    """
    # What aiokafka has to say, the lines say.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(_check_all()))


async def _check_all() -> int:
    """Run the checks in order, and return the exit status."""
    failed: set[str] = set()
    for check in CHECKS:
        missing = [name for name in check.needs if name in failed]
        if missing:
            failed.add(check.name)
            _print("-", check, f"not checked, because of: {', '.join(missing)}")
            continue
        try:
            _print("ok", check, await _run(check))
        except Exception as error:
            failed.add(check.name)
            if not isinstance(error, Wrong | CommandFailed | SettingsError):
                # Of an error that nobody expected, the text may quote anything.
                error = Wrong(f"failed: {type(error).__name__}")
            _print("WRONG", check, f"{_one_line(str(error))} -> {check.advice}")
    return 1 if failed else 0


async def _run(check: Check) -> str:
    """Run a check within its limit. Raises whatever is wrong."""
    settings = Settings.from_environment()
    with expected_failures():
        try:
            async with asyncio.timeout(CHECK_SECONDS) as limit:
                return await check.run(settings)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Wrong(f"no answer within {CHECK_SECONDS:.0f} s") from None


def _one_line(text: str) -> str:
    line = "; ".join(text.splitlines()).replace(":; ", ": ")
    return line if len(line) <= LINE_CHARACTERS_MAX else f"{line[:LINE_CHARACTERS_MAX]}..."


def _print(verdict: str, check: Check, text: str) -> None:
    click.echo(f"{verdict:5}  {check.name:9}  {text}")
