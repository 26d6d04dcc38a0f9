"""The measurement of the lag never ends a worker, whatever Kafka answers."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from workers.ingest.lag import Lag
from workers.ingest.positions import Positions
from workers.process import metrics

PARTITION = TP("assignments", 0)


class Answers:
    """A consumer that answers one thing after the other, then stops."""

    def __init__(self, *answers: dict[TP, int] | Exception) -> None:
        self._answers = list(answers)
        self.app = SimpleNamespace(rebalancing=False, should_stop=False)

    async def lags(self, _applied: dict[TP, int]) -> dict[TP, int]:
        """The next answer."""
        answer = self._answers.pop(0)
        self.app.should_stop = not self._answers
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError(), OSError(), TimeoutError(), AssertionError(), KeyError(), TypeError()],
    ids=repr,
)
async def test_the_next_measurement_follows_whatever_became_of_the_last(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def at_once(_seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", at_once)
    signs: list[str] = []
    positions = Positions({PARTITION.topic}, cast(Any, nullcontext), lambda: None)
    positions.assigned = frozenset({PARTITION})
    consumer = cast(Any, Answers(error, {PARTITION: 3}))
    await Lag((), positions, consumer, lambda: signs.append("alive")).watch()
    assert len(signs) == 1  # the error; a backlog of three is no sign of life
    assert metrics.LAG_RECORDS.labels(*PARTITION)._value.get() == 3
