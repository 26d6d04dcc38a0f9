"""Waits until what the day published is applied.

Nothing tells a service that an event which is no command was applied, and topics are not ordered
against each other, so the day looks into the database before it goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from workers.process.errors import CommandFailed

LIMIT_SECONDS = 30.0
POLL_SECONDS = 0.02


async def until_applied(
    applied: Callable[[], Awaitable[bool]], what: str, check: Callable[[], None]
) -> None:
    """Return once it is applied. Raises CommandFailed when that takes too long.

    `check` raises it when nobody is there any more who would.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not await applied():
        check()
        if time.monotonic() > deadline:
            raise CommandFailed(f"{what} is not applied after {LIMIT_SECONDS:g} s")
        await asyncio.sleep(POLL_SECONDS)
