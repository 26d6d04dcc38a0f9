"""Reads one topic: groups its polls, has each group applied, and acks what is applied."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from faust.types import TP

from workers.ingest.batch_loop import BatchLoop
from workers.ingest.lanes import LaneGroups
from workers.ingest.poll import Poll
from workers.ingest.positions import Positions

TRANSACTIONS_MAX = 3
"""Transactions of one topic at once."""


class PollEvent(Protocol):
    """A Faust event that carries a poll."""

    @property
    def value(self) -> Poll:
        """The poll."""

    def ack(self) -> object:
        """Count the poll as processed: its end may be committed to the consumer group."""


class TopicReader:
    """Applies the polls of one topic, several partitions at once, each in order.

    A poll is acked after the transaction that applied it, never before. Where records before a
    poll were passed over, its partition is rewound instead, and read again from there.
    """

    def __init__(
        self,
        loop: BatchLoop,
        positions: Positions,
        rewind: Callable[[TP, int], Awaitable[None]],
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        transactions_max: int = TRANSACTIONS_MAX,
    ) -> None:
        """`rewind` seeks a partition; `start` makes a task, whose errors are its maker's."""
        self._loop = loop
        self._positions = positions
        self._rewind = rewind
        self._groups: LaneGroups[TP, PollEvent] = LaneGroups(
            transactions_max, loop.records_max, self._apply, start
        )

    async def read(self, events: AsyncIterable[PollEvent]) -> None:
        """Apply polls as they arrive. Reads the next only when there is room for it."""
        async for event in events:
            await self._groups.add(event.value.tp, event.value.size, event)

    async def _apply(self, events: Sequence[PollEvent]) -> bool:
        if (passed_over := await self._loop.apply([event.value for event in events])) is None:
            return False
        for tp, position in passed_over.items():
            await self._rewind(tp, position)
        for event in events:
            if (tp := event.value.tp) not in passed_over:
                self._positions.applied[tp] = event.value.end
                event.ack()
        return True
