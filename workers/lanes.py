"""Several partitions of a topic at once, each partition's polls in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

LaneT = TypeVar("LaneT")
ItemT = TypeVar("ItemT")


class Lanes(Generic[LaneT, ItemT]):
    """Runs up to `width` items at once: while Postgres works on one, Python works on another.

    Items of one lane run one after the other, in the order they were added.
    """

    def __init__(
        self, width: int, run: Callable[[ItemT], Awaitable[None]], tasks: asyncio.TaskGroup
    ) -> None:
        self._free = asyncio.Semaphore(width)
        self._run = run
        self._tasks = tasks
        self._last: dict[LaneT, asyncio.Task[None]] = {}

    async def add(self, lane: LaneT, item: ItemT) -> None:
        """Run an item when its turn comes; returns when there is a place for it."""
        await self._free.acquire()
        task = self._tasks.create_task(self._after(self._last.get(lane), item))
        self._last[lane] = task
        task.add_done_callback(lambda done: self._forget(lane, done))

    async def _after(self, previous: asyncio.Task[None] | None, item: ItemT) -> None:
        try:
            if previous is not None:
                await asyncio.wait([previous])
            await self._run(item)
        finally:
            self._free.release()

    def _forget(self, lane: LaneT, done: asyncio.Task[None]) -> None:
        if self._last.get(lane) is done:
            del self._last[lane]
