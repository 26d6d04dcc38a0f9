"""Slices: the polls of one partition become one, unless there is a gap between them."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from tests.harness.kafka_records import kafka_record
from workers.ingest.partition_slice import PartitionSlice, joined


def slice_(partition: int, start: int, end: int) -> PartitionSlice:
    """A slice without gaps, of records that cannot be decoded."""
    records = [kafka_record("topic", partition, offset, b"") for offset in range(start, end)]
    events = [
        InvalidRecord(DeadLetterCode.NOT_JSON, f"record {offset}") for offset in range(start, end)
    ]
    return PartitionSlice(("topic", partition), start, end, list(records), list(events))


def spans(slices: list[PartitionSlice]) -> list[tuple[int, int, int]]:
    """Partition, start and end of each."""
    return [(one.partition[1], one.start, one.end) for one in slices]


def test_contiguous_polls_of_a_partition_become_one() -> None:
    polls = [slice_(0, 0, 2), slice_(0, 2, 3), slice_(0, 3, 7)]
    (whole,) = joined(polls)
    assert spans([whole]) == [(0, 0, 7)]
    assert [record.offset for record in whole.records] == list(range(7))
    assert whole.events == [event for poll in polls for event in poll.events]
    assert spans(polls) == [(0, 0, 2), (0, 2, 3), (0, 3, 7)], "what is joined is not changed"


def test_polls_with_others_between_them_are_joined_each_with_its_partitions() -> None:
    polls = [slice_(0, 0, 2), slice_(1, 0, 5), slice_(0, 2, 4), slice_(1, 5, 6)]
    assert sorted(spans(joined(polls))) == [(0, 0, 4), (1, 0, 6)]


def test_a_poll_that_ends_where_one_of_another_partition_begins_stays_apart() -> None:
    assert spans(joined([slice_(0, 0, 2), slice_(1, 2, 4)])) == [(0, 0, 2), (1, 2, 4)]


def test_polls_with_a_gap_between_them_stay_apart_in_order() -> None:
    polls = [slice_(0, 0, 2), slice_(0, 5, 6), slice_(0, 6, 9), slice_(0, 12, 13)]
    assert spans(joined(polls)) == [(0, 0, 2), (0, 5, 9), (0, 12, 13)]


def test_a_poll_that_ends_past_a_gap_is_followed_by_the_one_after_the_gap() -> None:
    past_a_gap = replace(slice_(0, 0, 2), end=5)
    (whole,) = joined([past_a_gap, slice_(0, 5, 6)])
    assert spans([whole]) == [(0, 0, 6)]
    assert [record.offset for record in whole.records] == [0, 1, 5]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 4)), max_size=12))
def test_every_record_is_there_once_in_the_order_of_its_partition(
    polls: list[tuple[int, int, int]],
) -> None:
    ends = dict.fromkeys(range(3), 0)
    slices = []
    for partition, lost, count in polls:
        start = ends[partition] + lost
        ends[partition] = start + count
        slices.append(slice_(partition, start, start + count))
    found = joined(slices)
    for partition in ends:
        own = [one for one in found if one.partition == ("topic", partition)]
        assert [record.offset for one in own for record in one.records] == [
            record.offset
            for one in slices
            if one.partition == ("topic", partition)
            for record in one.records
        ]
        assert all(one.end < following.start for one, following in pairwise(own))


def test_what_is_left_of_a_slice_may_be_markers_alone_which_are_no_loss() -> None:
    markers = replace(slice_(0, 0, 10), end=12).after(10)
    assert markers == PartitionSlice(("topic", 0), 10, 12, [], [], lost=False)
    assert spans(joined([markers, slice_(0, 12, 13)])) == [(0, 10, 13)]


def test_a_loss_stays_alone() -> None:
    loss = PartitionSlice(("topic", 0), 2, 5, [], [], lost=True)
    slices = [
        PartitionSlice(("topic", 0), 0, 2, [kafka_record("topic", 0, 1, b"")], []),
        loss,
        PartitionSlice(("topic", 0), 5, 6, [kafka_record("topic", 0, 5, b"")], []),
    ]
    assert joined(slices) == slices
    assert loss.after(3) == PartitionSlice(("topic", 0), 3, 5, [], [], lost=True)
