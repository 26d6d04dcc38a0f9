"""Waits for a condition with a limit: tests never sleep and hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

LIMIT_SECONDS = 60.0


async def until(
    ask: Callable[[], Awaitable[ResultT]], what: str, seconds: float = LIMIT_SECONDS
) -> ResultT:
    """The first answer that is true. Raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s, last {answer!r}")
        await asyncio.sleep(0.05)
    return answer
