"""How work that failed is tried again: how long to wait, and when to give up instead."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from db.errors import LoginRefused, is_transient

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0

_DOUBLINGS_MAX = 16
"""After hours of failures the power of two would overflow."""


def doubled_seconds(failures: int, first: float, longest: float) -> float:
    """`first` after the first failure in a row, twice as long after each further one."""
    return min(longest, first * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))


def pause_seconds(failures: int, first: float = FIRST_SECONDS) -> float:
    """How long to wait after so many failures in a row, one or more.

    The pause doubles each time, up to `LONGEST_SECONDS`, and is shortened by up to a half at
    random, so that workers that failed together do not come back together.
    """
    limit = doubled_seconds(failures, first, LONGEST_SECONDS)
    return limit * random.uniform(0.5, 1)  # noqa: S311  # spreads load, guards nothing


async def pause(source: str, error: Exception, failures: int, alive: Callable[[], None]) -> None:
    """Log a failure that passes by itself, and wait before the next try.

    `source` begins the log line. `alive` is called, since waiting for a server is no stall.
    """
    alive()
    seconds = pause_seconds(failures)
    log.warning("%s: %s, again in %.1f s", source, type(error).__name__, seconds)
    await asyncio.sleep(seconds)


async def until_done(
    source: str,
    work: Callable[[], Awaitable[ResultT]],
    alive: Callable[[], None],
    *,
    waits_for_login: bool = True,
) -> ResultT:
    """Repeat work on the database until it succeeds, and return its result.

    Raises at once what is not transient (see `db.errors.is_transient`), and LoginRefused unless
    `waits_for_login`.
    """
    failures = 0
    while True:
        try:
            return await work()
        except Exception as error:
            may_log_in = waits_for_login or not isinstance(error, LoginRefused)
            if not (is_transient(error) and may_log_in):
                raise
            failures += 1
            await pause(source, error, failures, alive)


def end_if_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled but still runs.

    Two things make a task lose its cancellation: an error on the way out takes its place, as when
    a client cannot be stopped in time; and `asyncio.wait_for` drops one that arrives together with
    the result that it waits for (fixed in Python 3.12). Whoever cancelled the task would then wait
    for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
