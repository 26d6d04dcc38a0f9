"""One question at a time to a server, however many ask."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
AnswerT = TypeVar("AnswerT")


class Shared(Generic[AnswerT]):
    """Asks a server for many at once. Each gets an answer to a question asked after they came."""

    def __init__(self, ask: Callable[[], Awaitable[AnswerT]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[AnswerT] | None = None
        """The question that is not asked yet."""

    async def get(self) -> AnswerT:
        """Returns the answer. Raises what `ask` raises."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._ask_in_turn())
        # Shielded: others wait for it too.
        return await asyncio.shield(self._next)

    async def _ask_in_turn(self) -> AnswerT:
        async with self._turn:
            self._next = None
            return await self._ask()


class SharedByKey(Generic[KeyT, AnswerT]):
    """Asks a server for what several keys have: one question for all keys that came meanwhile."""

    def __init__(
        self, ask: Callable[[Collection[KeyT]], Awaitable[Mapping[KeyT, AnswerT]]]
    ) -> None:
        self._ask = ask
        self._keys: set[KeyT] = set()
        """The keys of the question that is not asked yet."""
        self._answers = Shared(self._ask_for_all)

    async def get(self, key: KeyT) -> AnswerT | None:
        """Returns what a key has; None if it has nothing. Raises what `ask` raises."""
        self._keys.add(key)
        return (await self._answers.get()).get(key)

    async def _ask_for_all(self) -> Mapping[KeyT, AnswerT]:
        keys, self._keys = self._keys, set()
        return await self._ask(keys)
