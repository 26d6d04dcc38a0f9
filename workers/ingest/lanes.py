"""Several partitions of a topic at once, each in order; what is small shares a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

LaneT = TypeVar("LaneT")
ItemT = TypeVar("ItemT")


WORTH = 0.25
"""The part of the largest size that makes a group worth running beside others."""

PATIENCE_SECONDS = 0.1
"""How long a smaller one waits for others, which may be held up by what is none of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[LaneT, ItemT]):
    lane: LaneT
    size: int
    item: ItemT


_Group: TypeAlias = list[_Waiting[LaneT, ItemT]]


class Groups(Generic[LaneT, ItemT]):
    """Runs items in groups, up to `width` groups at once.

    Items of one lane run one after the other, in the order they were added. A group takes all that
    waits and is not held up by an item of its lane before it, up to `size_max`. Like Nagle's
    algorithm, it is small only when no other runs, or after a moment: under a light load what a
    group costs is shared by all that came while the last one ran; under a heavy one groups are
    large, and several run, so that Python works on one while Postgres works on another.
    """

    def __init__(
        self,
        width: int,
        size_max: int,
        run: Callable[[Sequence[ItemT]], Awaitable[bool]],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`run` says whether it is done; if not, it gets each lane's items by themselves. `start`
        makes a task of what it is given."""
        self._width = width
        self._size_max = size_max
        self._run = run
        self._start_task = start
        self._waiting: list[_Waiting[LaneT, ItemT]] = []
        self._apart: list[_Group[LaneT, ItemT]] = []
        """What could not run together, a group for each lane; these lanes count as busy."""
        self._running = 0
        self._busy: set[LaneT] = set()
        self._started = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None

    async def add(self, lane: LaneT, size: int, item: ItemT) -> None:
        """Run an item when its turn comes; returns when it waits for it, and not much else does."""
        while _size(self._waiting) >= self._size_max:
            self._started.clear()
            await self._started.wait()
        self._waiting.append(_Waiting(lane, size, item))
        self._start()

    def _start(self, *, patient: bool = True) -> None:
        while self._running < self._width and self._apart:
            self._begin(self._apart.pop(0))
        while self._running < self._width and (group := self._next()):
            if patient and self._running and _size(group) < self._size_max * WORTH:
                self._lose_patience_later()
                break
            patient = True
            taken = set(group)
            self._waiting = [waiting for waiting in self._waiting if waiting not in taken]
            self._busy.update(waiting.lane for waiting in group)
            self._begin(group)
            self._started.set()

    def _lose_patience_later(self) -> None:
        def lose() -> None:
            self._patience = None
            self._start(patient=False)

        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, lose)

    def _begin(self, group: _Group[LaneT, ItemT]) -> None:
        self._running += 1
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._start_task(self._run_group(group))

    def _next(self) -> _Group[LaneT, ItemT]:
        group: _Group[LaneT, ItemT] = []
        size = 0
        for waiting in self._waiting:
            if waiting.lane in self._busy:
                continue
            size += waiting.size
            # Only the last one can be without room: after it nothing was let in.
            if group and size > self._size_max:
                break
            group.append(waiting)
        return group

    async def _run_group(self, group: _Group[LaneT, ItemT]) -> None:
        done = await self._run([waiting.item for waiting in group])
        lanes = dict.fromkeys(waiting.lane for waiting in group)
        if done:
            self._busy.difference_update(lanes)
        else:
            self._apart += [[one for one in group if one.lane == lane] for lane in lanes]
        self._running -= 1
        self._start()


def _size(group: _Group[LaneT, ItemT]) -> int:
    return sum(waiting.size for waiting in group)
