"""Runs `inbox` in a process of its own, as a shell does."""

import asyncio
import os
from tempfile import TemporaryFile
from typing import NamedTuple

from tests.harness.fork_server import fork_server
from workers.settings import Settings

LIMIT_SECONDS = 120


class Completed(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str
    """What it printed on stderr after `target`."""
    target: str
    """The line by which it says first what it works on; empty if it changes nothing."""

    @property
    def lines(self) -> list[str]:
        """The lines on standard output."""
        return self.out.splitlines()


def environment_without_settings() -> dict[str, str]:
    """Returns the environment of this process without the settings of the inbox."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}


async def inbox(settings: Settings, *arguments: str, stdin: bytes = b"") -> Completed:
    """Run a command to its end with these settings and no others."""
    environment = environment_without_settings() | settings.environment()
    return await run(environment, *arguments, stdin=stdin)


async def run(environment: dict[str, str], *arguments: str, stdin: bytes = b"") -> Completed:
    """Run a command to its end with this environment."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        streams = given.fileno(), out.fileno(), err.fileno()
        process = fork_server().start(arguments, environment, streams)
        try:
            status = await asyncio.to_thread(process.wait, LIMIT_SECONDS)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        text = err.read().decode()
        target = text[: text.index("\n")] if text.startswith("topics: ") else ""
        return Completed(
            status, out.read().decode(), text[len(target) :].removeprefix("\n"), target
        )
