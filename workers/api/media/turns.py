"""Turns: how many files are fetched at once, by one user and in all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Lets so many work at once, and of these so many for one user."""

    def __init__(self, turns_max: int, of_user_max: int) -> None:
        self._turns_max = turns_max
        self._of_user_max = of_user_max
        self._taken: Counter[Hashable] = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, user: Hashable, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn, and keep it. Raises TimeoutError when none comes in time."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self._is_free(user))
            self._taken[user] += 1
        try:
            yield
        finally:
            self._taken[user] -= 1
            if not self._taken[user]:
                del self._taken[user]
            async with self._changed:
                self._changed.notify_all()

    def _is_free(self, user: Hashable) -> bool:
        return self._taken[user] < self._of_user_max and self._taken.total() < self._turns_max
