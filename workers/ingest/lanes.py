"""Applies items of several lanes at once, each lane in order; small items share a group.

For the topic reader a lane is a partition, an item a poll, and a group one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

LaneT = TypeVar("LaneT")
ItemT = TypeVar("ItemT")


FULL_ENOUGH = 0.25
"""The share of the largest size from which on a group starts beside others that run."""

HOLD_SECONDS = 0.1
"""How long a smaller group is held back while others run, which may themselves be held up."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[LaneT, ItemT]):
    lane: LaneT
    size: int
    item: ItemT


_Group: TypeAlias = list[_Waiting[LaneT, ItemT]]


class LaneGroups(Generic[LaneT, ItemT]):
    """Runs items in groups, up to `width` groups at once.

    Items of one lane run one after the other, in the order they were added. A group takes all
    items that wait, up to `size_max`; an item waits only while an earlier one of its lane runs.

    As in Nagle's algorithm, a small group starts only when no other runs, or after
    `HOLD_SECONDS`. Under a light load the cost of a group is thus shared by all items that
    arrived while the last one ran. Under a heavy load groups are large and several run at once,
    so that Python works on one while Postgres works on another.
    """

    def __init__(
        self,
        width: int,
        size_max: int,
        run: Callable[[Sequence[ItemT]], Awaitable[bool]],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`run` returns whether the group is done; if not, it gets the items of each lane alone.
        `start` makes a task of a coroutine."""
        self._width = width
        self._size_max = size_max
        self._run = run
        self._start_task = start
        self._waiting: list[_Waiting[LaneT, ItemT]] = []
        self._apart: list[_Group[LaneT, ItemT]] = []
        """Groups of one lane each, which could not run together; their lanes count as busy."""
        self._running = 0
        self._busy: set[LaneT] = set()
        self._started = asyncio.Event()
        self._hold: asyncio.TimerHandle | None = None

    async def add(self, lane: LaneT, size: int, item: ItemT) -> None:
        """Add an item, to run when its turn comes. Returns when there is room for one more."""
        while _size(self._waiting) >= self._size_max:
            self._started.clear()
            await self._started.wait()
        self._waiting.append(_Waiting(lane, size, item))
        self._start()

    def _start(self, *, hold_small: bool = True) -> None:
        while self._running < self._width and self._apart:
            self._begin(self._apart.pop(0))
        while self._running < self._width and (group := self._next()):
            if hold_small and self._running and _size(group) < self._size_max * FULL_ENOUGH:
                self._start_small_later()
                break
            hold_small = True
            taken = set(group)
            self._waiting = [waiting for waiting in self._waiting if waiting not in taken]
            self._busy.update(waiting.lane for waiting in group)
            self._begin(group)
            self._started.set()

    def _start_small_later(self) -> None:
        def start() -> None:
            self._hold = None
            self._start(hold_small=False)

        if self._hold is None:
            self._hold = asyncio.get_running_loop().call_later(HOLD_SECONDS, start)

    def _begin(self, group: _Group[LaneT, ItemT]) -> None:
        self._running += 1
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        self._start_task(self._run_group(group))

    def _next(self) -> _Group[LaneT, ItemT]:
        group: _Group[LaneT, ItemT] = []
        size = 0
        for waiting in self._waiting:
            if waiting.lane in self._busy:
                continue
            size += waiting.size
            # `add` lets nothing in once the size is reached, so only the last item can be too much.
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
