"""A redriven record is as old as when it was dead-lettered, within its topic's retention."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.catalog import INBOUND
from schemas.topics import TOPICS
from workers.dead_letters.redrive import _timestamp_milliseconds

SECOND = timedelta(seconds=1)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize("topic", INBOUND)
def test_its_timestamp_is_when_it_was_dead_lettered(topic: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert _timestamp_milliseconds(yesterday, topic) == milliseconds(yesterday)


@pytest.mark.parametrize("topic", INBOUND)
def test_one_that_is_too_old_is_given_half_of_the_retention(topic: str) -> None:
    half = timedelta(milliseconds=TOPICS[topic].retention_milliseconds / 2)
    timestamp = _timestamp_milliseconds(datetime(2020, 1, 1, tzinfo=UTC), topic)
    oldest = datetime.now(UTC) - half
    assert milliseconds(oldest - SECOND) <= timestamp <= milliseconds(oldest)


def test_a_time_that_has_not_come_yet_becomes_now() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert _timestamp_milliseconds(tomorrow, "assignments") <= milliseconds(datetime.now(UTC))
