"""A worker stops when it would pass the limits on dead letters."""

import pytest

from workers.ingest.dead_letter_limit import WINDOW_RECORDS, DeadLetterLimit
from workers.process.errors import DeadLetterFlood


def commit(limit: DeadLetterLimit, outcomes: list[bool]) -> None:
    """Commit a batch if the limit allows it."""
    limit.check(outcomes)
    limit.count(outcomes)


def test_a_run_of_dead_letters_up_to_the_limit_is_set_aside() -> None:
    limit = DeadLetterLimit("assignments", run_max=3, ratio_max=1)
    commit(limit, [True, True])
    commit(limit, [True])
    commit(limit, [False, True, True, True, False])


@pytest.mark.parametrize(
    "batches",
    [[[True] * 4], [[True] * 3, [True]], [[False, True], [], [True, True, True]]],
    ids=str,
)
def test_a_longer_run_stops_the_worker_also_over_batches(batches: list[list[bool]]) -> None:
    limit = DeadLetterLimit("assignments", run_max=3, ratio_max=1)
    with pytest.raises(DeadLetterFlood, match=r"assignments: 4 records in a row.*_RUN"):
        for batch in batches:
            commit(limit, batch)


def test_the_ratio_is_taken_once_there_are_enough_records() -> None:
    limit = DeadLetterLimit("assignments", run_max=10**9, ratio_max=0.5)
    commit(limit, [True] * (WINDOW_RECORDS - 1))
    with pytest.raises(DeadLetterFlood, match=r"assignments: 10000 of the last 10000.*_RATIO"):
        commit(limit, [True])


@pytest.mark.parametrize(("dead", "stops"), [(5_000, False), (5_001, True)])
def test_a_worker_stops_when_more_than_the_ratio_are_dead_lettered(dead: int, stops: bool) -> None:
    limit = DeadLetterLimit("assignments", run_max=10**9, ratio_max=0.5)
    outcomes = [True] * dead + [False] * (WINDOW_RECORDS - dead)
    if stops:
        with pytest.raises(DeadLetterFlood):
            commit(limit, outcomes)
    else:
        commit(limit, outcomes)


def test_old_batches_leave_the_window() -> None:
    limit = DeadLetterLimit("assignments", run_max=10**9, ratio_max=0.5)
    commit(limit, [True] * 5_000)
    for _ in range(10):
        commit(limit, [False] * 1_000)
    commit(limit, [True] * 5_000)
    with pytest.raises(DeadLetterFlood):
        commit(limit, [True] * 1_000)


def test_a_batch_that_is_tried_again_is_counted_once() -> None:
    limit = DeadLetterLimit("assignments", run_max=3, ratio_max=0.5)
    for _ in range(WINDOW_RECORDS):
        limit.check([True, True])
    limit.count([True, True])
    commit(limit, [True])
    with pytest.raises(DeadLetterFlood):
        limit.check([True])
