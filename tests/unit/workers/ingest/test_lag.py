"""The measurement of the lag never ends a worker, whatever Kafka answers."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError
from faust.types import TP

from workers.ingest.lag import FAILURES_MAX, Lag
from workers.ingest.positions import Positions
from workers.process import metrics

PARTITION = TP("assignments", 0)
BACKLOG = {PARTITION: 3}


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


async def signs_of(monkeypatch: pytest.MonkeyPatch, *answers: dict[TP, int] | Exception) -> int:
    """Returns how many signs of life the measurements give that end so."""

    async def at_once(_seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", at_once)
    signs: list[str] = []
    positions = Positions({PARTITION.topic}, cast(Any, nullcontext), lambda: None)
    positions.assigned = frozenset({PARTITION})
    await Lag((), positions, cast(Any, Answers(*answers)), lambda: signs.append("alive")).watch()
    return len(signs)


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError(), OSError(), TimeoutError(), AssertionError(), KeyError(), TypeError()],
    ids=repr,
)
async def test_the_next_measurement_follows_whatever_became_of_the_last(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # The error is a sign; a backlog of three is none.
    assert await signs_of(monkeypatch, error, BACKLOG) == 1
    assert metrics.LAG_RECORDS.labels(*PARTITION)._value.get() == 3


@pytest.mark.parametrize("error", [KafkaConnectionError(), KafkaTimeoutError(), OSError()])
async def test_a_broker_is_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert await signs_of(monkeypatch, *[error] * 50) == 50


@pytest.mark.parametrize("error", [AssertionError(), TopicAuthorizationFailedError()], ids=repr)
async def test_a_measurement_that_fails_for_good_is_no_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    assert await signs_of(monkeypatch, *[error] * 50) == FAILURES_MAX
    assert [each.getMessage() for each in caplog.records] == ["the lag is not known"]


async def test_failures_count_only_in_a_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [AssertionError()] * FAILURES_MAX
    assert await signs_of(monkeypatch, *failures, BACKLOG, *failures) == 2 * FAILURES_MAX
    assert len(caplog.records) == 2
