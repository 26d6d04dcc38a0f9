"""Turns: how many files are fetched at once, and how many wait: of a user, an account, in all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from schemas.fields import AccountId, UserId

WAITING_FACTOR = 4
"""So many times as many as work may be there: a request that waits holds a place of the API."""


_User: TypeAlias = tuple[AccountId, UserId]
_Whose: TypeAlias = tuple[()] | tuple[AccountId] | _User
_Counted: TypeAlias = "Counter[_Whose]"
"""How many there are of everybody, of an account and of a user."""


class TooManyWait(Exception):
    """There is no room to wait for a turn."""


class Turns:
    """Lets so many work at once, and of these so many for one account, and so many for one user."""

    def __init__(self, turns_max: int, of_account_max: int, of_user_max: int) -> None:
        self._turns_max = turns_max
        self._of_account_max = of_account_max
        self._of_user_max = of_user_max
        self._there: _Counted = Counter()
        """Those who work and those who wait."""
        self._working: _Counted = Counter()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(
        self, account_id: AccountId, user_id: UserId, seconds: float
    ) -> AsyncIterator[None]:
        """Wait for a turn of a user, and keep it.

        Raises TimeoutError when none comes in time, and TooManyWait.
        """
        user = account_id, user_id
        if not self._has_room(self._there, user, WAITING_FACTOR):
            raise TooManyWait
        _add(self._there, user, 1)
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._has_room(self._working, user))
                _add(self._working, user, 1)
            try:
                yield
            finally:
                _add(self._working, user, -1)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            _add(self._there, user, -1)

    def _has_room(self, counted: _Counted, user: _User, factor: int = 1) -> bool:
        limits = self._turns_max, self._of_account_max, self._of_user_max
        return all(
            counted[whose] < factor * limit
            for whose, limit in zip(_counted_for(user), limits, strict=True)
        )


def _counted_for(user: _User) -> tuple[_Whose, _Whose, _Whose]:
    return (), user[:1], user


def _add(counted: _Counted, user: _User, number: int) -> None:
    for whose in _counted_for(user):
        counted[whose] += number
        if not counted[whose]:
            del counted[whose]
