"""A wrong number of partitions is said once, until it changes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError

from workers.ingest.partition_counts import Count, PartitionCounts
from workers.kafka.topic_admin import PartitionCount
from workers.process import metrics

TOPIC = "inbox.links"
CONNECTIONS: list[str] = []
"""What the last watch did with its connections."""


class NoMoreAnswers(BaseException):
    """Ends the watch."""


async def watched(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *answers: int | Exception,
) -> list[str]:
    """Returns the errors that are logged while Kafka answers with these numbers of partitions."""

    async def at_once(_seconds: float) -> None:
        pass

    left = list(answers)
    CONNECTIONS.clear()

    @asynccontextmanager
    async def counter() -> AsyncIterator[Count]:
        CONNECTIONS.append("open")
        try:
            yield count
        finally:
            CONNECTIONS.append("closed")

    async def count() -> dict[str, PartitionCount]:
        if not left:
            raise NoMoreAnswers
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {TOPIC: PartitionCount(answer, 4)}

    monkeypatch.setattr(asyncio, "sleep", at_once)
    caplog.set_level(logging.INFO)
    with pytest.raises(NoMoreAnswers):
        await PartitionCounts(counter).watch()
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("answers", "numbers"),
    [
        ((4, 4), []),
        ((4, 6, 6), [6]),
        ((3, 3), [3]),
        ((6, 8, 8), [6, 8]),
        ((6, KafkaConnectionError(), AssertionError(), 6), [6]),
        ((6, 4, 6), [6, 6]),
    ],
    ids=str,
)
async def test_each_wrong_number_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answers: tuple[int | Exception, ...],
    numbers: list[int],
) -> None:
    said = await watched(monkeypatch, caplog, *answers)
    assert [line.partition(":")[0] for line in said] == [
        f"{TOPIC} has {number} partitions and must have 4" for number in numbers
    ]


@pytest.mark.parametrize(("number", "difference"), [(3, -1), (4, 0), (6, 2)])
async def test_the_metric_is_the_difference(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    difference: int,
) -> None:
    await watched(monkeypatch, caplog, number)
    assert metrics.PARTITION_DIFFERENCE.labels(TOPIC)._value.get() == difference


@pytest.mark.parametrize(
    ("answers", "connections"),
    [((4, 4, 4, 4), 1), ((4, KafkaConnectionError(), 4, 4), 2)],
    ids=str,
)
async def test_a_connection_is_kept_until_it_fails(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answers: tuple[int | Exception, ...],
    connections: int,
) -> None:
    await watched(monkeypatch, caplog, *answers)
    assert ["open", "closed"] * connections == CONNECTIONS
