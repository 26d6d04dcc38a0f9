"""The requests that wait for the results of commands."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from db.commands import CommandKey, Outcome
from workers.api.problem import Problem
from workers.process import metrics

WAITING_MAX = 1_000
"""The limit of requests that wait at the same time. A body has 64 KiB at most."""


class _Waiter(NamedTuple):
    result: "asyncio.Future[Outcome]"
    since: float
    """Monotonic seconds."""


class WaitingRequests:
    """A bounded map from commands to the requests that wait for their results."""

    def __init__(self) -> None:
        self._waiters: dict[CommandKey, list[_Waiter]] = {}
        self._count = 0

    @contextmanager
    def result_of(self, key: CommandKey) -> "Iterator[asyncio.Future[Outcome]]":
        """Yields what is done once the result of a command is known. Raises Problem if too many
        wait."""
        if self._count >= WAITING_MAX:
            raise Problem("unavailable", "too many requests wait", {"Retry-After": "1"})
        waiter = _Waiter(asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiters.setdefault(key, []).append(waiter)
        self._counted(1)
        try:
            yield waiter.result
        finally:
            self._counted(-1)
            self._waiters[key].remove(waiter)
            if not self._waiters[key]:
                del self._waiters[key]

    def _counted(self, more: int) -> None:
        self._count += more
        metrics.API_WAITING.set(self._count)

    def resolve(self, key: CommandKey, outcome: Outcome) -> None:
        """Give the result of a command to all who wait for it."""
        for waiter in self._waiters.get(key, ()):
            if not waiter.result.done():
                waiter.result.set_result(outcome)

    def longer_than(self, seconds: float) -> list[CommandKey]:
        """Returns the commands for whose results requests wait longer than so many seconds."""
        before = time.monotonic() - seconds
        return [
            key
            for key, waiters in self._waiters.items()
            if any(each.since < before and not each.result.done() for each in waiters)
        ]
