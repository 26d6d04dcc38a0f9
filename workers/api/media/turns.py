"""Turns: how many files are fetched at once, by one user and in all, and how many wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

WAITING_FACTOR = 4
"""So many times as many as work may be there: a request that waits holds a place of the API."""


class TooManyWait(Exception):
    """There is no room to wait for a turn."""


class Turns:
    """Lets so many work at once, and of these so many for one user."""

    def __init__(self, turns_max: int, of_user_max: int) -> None:
        self._turns_max = turns_max
        self._of_user_max = of_user_max
        self._there: Counter[Hashable] = Counter()
        """By user, those who work and those who wait."""
        self._working: Counter[Hashable] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, user: Hashable, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn, and keep it.

        Raises TimeoutError when none comes in time, and TooManyWait.
        """
        if not self._has_room(self._there, user, WAITING_FACTOR):
            raise TooManyWait
        self._there[user] += 1
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._has_room(self._working, user))
                self._working[user] += 1
            try:
                yield
            finally:
                _take_off(self._working, user)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            _take_off(self._there, user)

    def _has_room(self, counted: "Counter[Hashable]", user: Hashable, factor: int = 1) -> bool:
        of_user, of_all = counted[user], counted.total()
        return of_user < factor * self._of_user_max and of_all < factor * self._turns_max


def _take_off(counted: "Counter[Hashable]", user: Hashable) -> None:
    counted[user] -= 1
    if not counted[user]:
        del counted[user]
