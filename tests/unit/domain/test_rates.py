"""A sender sends no faster than its rate, except for a burst, and no slower than it may."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rates import BURST, Bucket
from tests.unit.domain.given.samples import NOON, SECOND

RATES = st.sampled_from([0.2, 0.5, 1, 1.5, 3, 10, 80, 10_000]) | st.floats(0.01, 10_000)
MICROSECOND = timedelta(microseconds=1)


def sent_at_once(bucket: Bucket) -> int:
    count = 0
    while bucket.free_at() <= NOON:
        bucket = bucket.take(NOON)
        count += 1
    return count


@pytest.mark.parametrize(("per_second", "burst"), [(0.2, 1), (1, 1), (2, 2), (10, 10), (80, 80)])
def test_a_sender_that_rested_may_send_what_a_second_is_good_for(
    per_second: float, burst: int
) -> None:
    assert sent_at_once(Bucket(per_second, NOON)) == burst
    assert sent_at_once(Bucket(per_second, NOON - 3600 * SECOND)) == burst


@pytest.mark.parametrize(
    ("per_second", "waiting", "seconds"),
    [(1, 0, 1.0), (1, 2, 3.0), (0.5, 0, 2.0), (0.5, 1, 4.0), (4, 0, 0.25), (4, 3, 1.0)],
)
def test_those_that_wait_are_due_one_after_the_other(
    per_second: float, waiting: int, seconds: float
) -> None:
    bucket = Bucket(per_second, NOON)
    while bucket.free_at() <= NOON:
        bucket = bucket.take(NOON)
    assert bucket.free_at(waiting) == NOON + timedelta(seconds=seconds)


@given(RATES, st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_in_no_time_there_is_more_than_rate_and_burst(
    per_second: float, pauses: list[float]
) -> None:
    bucket, now, sent = Bucket(per_second, NOON), NOON, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        if bucket.free_at() <= now:
            bucket = bucket.take(now)
            sent.append(now)
    for first, began in enumerate(sent):
        for last, ended in enumerate(sent[first:], start=first):
            # Times are of whole microseconds.
            seconds = (ended - began + BURST + (last + 1) * MICROSECOND).total_seconds()
            assert last - first + 1 <= max(
                1 + (ended - began).total_seconds() * per_second * 1.01, seconds * per_second * 1.01
            )


@given(RATES, st.integers(1, 50))
def test_who_waits_until_it_is_free_sends_at_the_full_rate(per_second: float, count: int) -> None:
    bucket, now = Bucket(per_second, NOON), NOON
    for _ in range(count):
        now = max(now, bucket.free_at())
        bucket = bucket.take(now)
    slowest = timedelta(seconds=(count - 1) / per_second) + count * MICROSECOND
    assert now - NOON <= slowest
