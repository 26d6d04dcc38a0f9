"""Several partitions of a topic at once, each in order; what is small shares a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

LaneT = TypeVar("LaneT")
ItemT = TypeVar("ItemT")


WORTH = 0.25
"""The part of the largest size that makes a group worth running beside others."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[LaneT, ItemT]):
    lane: LaneT
    size: int
    item: ItemT


class Groups(Generic[LaneT, ItemT]):
    """Runs items in groups, up to `width` groups at once.

    Items of one lane run one after the other, in the order they were added. A group takes all that
    waits and is not held up by an item of its lane before it, up to `size_max`. Like Nagle's
    algorithm, it is small only when no other group runs: under a light load what a group costs is
    shared by all that came while the last one ran; under a heavy one groups are large, and several
    run, so that Python works on one while Postgres works on another.
    """

    def __init__(
        self,
        width: int,
        size_max: int,
        run: Callable[[Sequence[ItemT]], Awaitable[None]],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`start` makes a task of what it is given."""
        self._width = width
        self._size_max = size_max
        self._run = run
        self._start_task = start
        self._waiting: list[_Waiting[LaneT, ItemT]] = []
        self._running = 0
        self._busy: set[LaneT] = set()
        self._started = asyncio.Event()

    async def add(self, lane: LaneT, size: int, item: ItemT) -> None:
        """Run an item when its turn comes; returns when it waits for it, and not much else does."""
        while sum(waiting.size for waiting in self._waiting) >= self._size_max:
            self._started.clear()
            await self._started.wait()
        self._waiting.append(_Waiting(lane, size, item))
        self._start()

    def _start(self) -> None:
        while self._running < self._width and (group := self._next()):
            if self._running and sum(item.size for item in group) < self._size_max * WORTH:
                break
            self._running += 1
            self._busy.update(waiting.lane for waiting in group)
            self._waiting = [waiting for waiting in self._waiting if waiting not in group]
            self._start_task(self._run_group(group))
            self._started.set()

    def _next(self) -> list[_Waiting[LaneT, ItemT]]:
        group: list[_Waiting[LaneT, ItemT]] = []
        size = 0
        for waiting in self._waiting:
            if waiting.lane in self._busy:
                continue
            # Only the last one can be without room: after it nothing was let in.
            if group and size + waiting.size > self._size_max:
                break
            group.append(waiting)
            size += waiting.size
        return group

    async def _run_group(self, group: list[_Waiting[LaneT, ItemT]]) -> None:
        await self._run([waiting.item for waiting in group])
        self._busy.difference_update(waiting.lane for waiting in group)
        self._running -= 1
        self._start()
