"""Waits until a published event is applied.

The inbox answers commands only. It does not report that another event was applied, and topics have
no common order. So the day queries the database before it goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from workers.process.errors import CommandFailed

APPLIED_SECONDS = 30.0
APPLIED_POLL_SECONDS = 0.02


async def until_applied(
    is_applied: Callable[[], Awaitable[bool]], subject: str, check: Callable[[], None]
) -> None:
    """Return when the subject is applied. Raises CommandFailed when that takes too long.

    `check` raises CommandFailed when the worker has ended.
    """
    deadline = time.monotonic() + APPLIED_SECONDS
    while not await is_applied():
        check()
        if time.monotonic() > deadline:
            raise CommandFailed(f"{subject} is not applied after {APPLIED_SECONDS:g} s")
        await asyncio.sleep(APPLIED_POLL_SECONDS)
