"""Several partitions of a topic at once, each in order; what is small shares a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

LaneT = TypeVar("LaneT")
ItemT = TypeVar("ItemT")


class _Waiting(NamedTuple, Generic[LaneT, ItemT]):
    lane: LaneT
    size: int
    item: ItemT


class Groups(Generic[LaneT, ItemT]):
    """Runs items in groups, up to `width` groups at once.

    Items of one lane run one after the other, in the order they were added, and never two of them
    in one group. A group takes what waits when there is a place for it, up to `size_max`: under a
    light load that is all there is, so that what a group costs is shared; under a heavy one each
    item is a group, so that Python works on one while Postgres works on another.
    """

    def __init__(
        self,
        width: int,
        size_max: int,
        run: Callable[[Sequence[ItemT]], Awaitable[None]],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`start` makes a task of what it is given."""
        self._free = width
        self._size_max = size_max
        self._run = run
        self._start_task = start
        self._waiting: list[_Waiting[LaneT, ItemT]] = []
        self._busy: set[LaneT] = set()
        self._started = asyncio.Event()

    async def add(self, lane: LaneT, size: int, item: ItemT) -> None:
        """Run an item when its turn comes; returns when it waits for it, and not much else does."""
        while self._is_full() or any(waiting.lane == lane for waiting in self._waiting):
            self._started.clear()
            await self._started.wait()
        self._waiting.append(_Waiting(lane, size, item))
        self._start()

    def _is_full(self) -> bool:
        return sum(waiting.size for waiting in self._waiting) >= self._size_max

    def _start(self) -> None:
        while self._free and (group := self._take()):
            self._free -= 1
            self._start_task(self._run_group(group))
            self._started.set()

    def _take(self) -> list[_Waiting[LaneT, ItemT]]:
        group: list[_Waiting[LaneT, ItemT]] = []
        size = 0
        for waiting in self._waiting:
            if waiting.lane in self._busy or (group and size + waiting.size > self._size_max):
                continue
            group.append(waiting)
            size += waiting.size
        self._busy.update(waiting.lane for waiting in group)
        self._waiting = [waiting for waiting in self._waiting if waiting not in group]
        return group

    async def _run_group(self, group: list[_Waiting[LaneT, ItemT]]) -> None:
        await self._run([waiting.item for waiting in group])
        self._busy.difference_update(waiting.lane for waiting in group)
        self._free += 1
        self._start()
