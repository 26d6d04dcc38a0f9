"""The topic reader acks polls once they are applied, and rewinds where records are missing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, cast

from faust.types import TP

from tests.harness.kafka_records import kafka_record
from workers.ingest.batch_loop import BatchLoop
from workers.ingest.poll import Poll
from workers.ingest.positions import Positions
from workers.ingest.topic_reader import TopicReader

FETCHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND = TP("assignments", 0), TP("assignments", 1)


class Event:
    """A poll that remembers whether it was acked."""

    def __init__(self, tp: TP, start: int, end: int, order: list[str]) -> None:
        records = [kafka_record(tp.topic, tp.partition, start, b"")]
        self.value = Poll(tp, start, end, records, FETCHED_AT)
        self._order = order

    def ack(self) -> None:
        """Note it."""
        self._order.append(f"ack {self.value.tp.partition} {self.value.end}")


class Loop:
    """A batch loop that answers as it is told to."""

    records_max = 1000

    def __init__(self, answers: Sequence[dict[TP, int] | None], order: list[str]) -> None:
        self._answers = list(answers)
        self._order = order

    async def apply(self, polls: Sequence[Poll]) -> dict[TP, int] | None:
        """The next answer."""
        self._order.append(f"apply {[(poll.tp.partition, poll.end) for poll in polls]}")
        return self._answers.pop(0)


async def read(
    order: list[str], events: Sequence[Event], *answers: dict[TP, int] | None
) -> Positions:
    """Have a reader read these events, by a batch loop with these answers."""
    positions = Positions({FIRST.topic}, cast(Any, nullcontext), lambda: None)

    async def feed() -> AsyncIterator[Event]:
        for event in events:
            yield event

    async def rewind(tp: TP, position: int) -> None:
        order.append(f"rewind {tp.partition} {position}")

    async with asyncio.TaskGroup() as tasks:
        loop = cast(BatchLoop, Loop(answers, order))
        await TopicReader(loop, positions, rewind, tasks.create_task).read(feed())
    return positions


async def test_a_poll_is_acked_after_it_is_applied() -> None:
    order: list[str] = []
    positions = await read(order, [Event(FIRST, 0, 7, order)], {})
    assert order == ["apply [(0, 7)]", "ack 0 7"]
    assert positions.applied == {FIRST: 7}


async def test_a_partition_with_records_passed_over_is_rewound_and_not_acked() -> None:
    order: list[str] = []
    events = [Event(FIRST, 0, 7, order), Event(SECOND, 5, 9, order), Event(FIRST, 7, 8, order)]
    positions = await read(order, events, {}, {SECOND: 3})
    assert order == [
        "apply [(0, 7)]",
        "ack 0 7",
        "apply [(1, 9), (0, 8)]",
        "rewind 1 3",
        "ack 0 8",
    ]
    assert positions.applied == {FIRST: 8}


async def test_polls_that_cannot_be_applied_together_are_applied_and_acked_alone() -> None:
    order: list[str] = []
    events = [Event(FIRST, 0, 1, order), Event(FIRST, 1, 2, order), Event(SECOND, 0, 2, order)]
    await read(order, events, {}, None, {}, {})
    assert order == [
        "apply [(0, 1)]",
        "ack 0 1",
        "apply [(0, 2), (1, 2)]",
        "apply [(0, 2)]",
        "ack 0 2",
        "apply [(1, 2)]",
        "ack 1 2",
    ]
