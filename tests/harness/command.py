"""`inbox` as its own process, as on a shell."""

import asyncio
import os
import sys
from typing import NamedTuple

from workers.settings import Settings

LIMIT_SECONDS = 120


class Completed(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed, by line."""
        return self.out.splitlines()


async def inbox(settings: Settings, *arguments: str, stdin: bytes = b"") -> Completed:
    """Run a command to its end with these settings and no others."""
    environment = {key: value for key, value in os.environ.items() if key[:6] != "INBOX_"}
    return await run(environment | settings.environment(), *arguments, stdin=stdin)


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
