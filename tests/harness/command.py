"""Runs `inbox` in a process of its own, as a shell does."""

import asyncio
import os
import sys
from typing import NamedTuple

from workers.settings import Settings

LIMIT_SECONDS = 120


class Completed(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Completed(process.returncode, out.decode(), err.decode())
