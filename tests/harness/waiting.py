"""Waits for a condition, with a limit, instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

ResultT = TypeVar("ResultT")

LIMIT_SECONDS = 60.0
"""The longest wait, unless a test sets another one."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.005, 0.05
"""Most conditions hold within milliseconds, and tests wait for thousands of them."""


@dataclass(frozen=True)
class Left:
    """What is left to do, by name. As the answer of a condition it is true once that is nothing;
    until then, the TimeoutError names it."""

    work: Mapping[str, object]

    def __bool__(self) -> bool:
        return not any(self.work.values())

    def __repr__(self) -> str:
        return f"left: { {name: work for name, work in self.work.items() if work} }"


async def until(
    condition: Callable[[], Awaitable[ResultT]], what: str, seconds: float = LIMIT_SECONDS
) -> ResultT:
    """Wait until a condition is true, and return its answer.

    `what` describes the condition in the TimeoutError that is raised after so many seconds.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s, last {answer!r}")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return answer
