"""A stored position beyond the end of its log means that the log is another Kafka's."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from workers.ingest.positions import Positions
from workers.process.errors import ForeignLog

PARTITION = TP("assignments", 0)


@pytest.fixture
def positions(monkeypatch: pytest.MonkeyPatch) -> Positions:
    """Positions whose checks follow each other at once."""

    async def at_once(_seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", at_once)
    return Positions({PARTITION.topic}, cast(Any, nullcontext), lambda: None)


class Ends:
    """Answers with one end of the log after the other, then with the last again."""

    def __init__(self, *ends: int) -> None:
        self._ends: Iterator[int] = iter(ends)
        self._last = 0

    async def __call__(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        self._last = next(self._ends, self._last)
        return dict.fromkeys(tps, self._last)


async def test_a_position_within_its_log_is_right(positions: Positions) -> None:
    await positions.check_against({PARTITION: 5}, Ends(5))


async def test_a_broker_may_need_a_moment_to_know_its_log(positions: Positions) -> None:
    await positions.check_against({PARTITION: 5}, Ends(0, 4, 5))


async def test_a_position_that_stays_beyond_its_log_is_another_kafkas(positions: Positions) -> None:
    with pytest.raises(ForeignLog, match="applied up to 5, but its log ends at 4"):
        await positions.check_against({PARTITION: 5}, Ends(4))


@pytest.mark.parametrize("error", [KafkaConnectionError(), TimeoutError()], ids=repr)
async def test_a_broker_that_does_not_answer_shows_nothing(
    positions: Positions, error: Exception
) -> None:
    async def ends(_tps: Iterable[TP]) -> Mapping[TP, int]:
        raise error

    await positions.check_against({PARTITION: 5}, ends)
