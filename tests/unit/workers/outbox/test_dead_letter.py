"""Dead letters as records, and the limits past which a worker stops instead."""

from datetime import UTC, datetime

import pytest
from aiokafka.structs import ConsumerRecord

from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from tests.harness.kafka_records import Headers, kafka_record
from workers.outbox.dead_letter import (
    WINDOW_RECORDS,
    DeadLetterLimit,
    Origin,
    dead_letter,
    split_headers,
    webhook_headers,
)
from workers.process.errors import DeadLetterFlood

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ERROR = InvalidRecord(DeadLetter.INVALID_DATA, "body: Expected `str` - at `$.data.body`")
SAID = [
    ("dl_topic", b"inbox.assignments"),
    ("dl_partition", b"7"),
    ("dl_offset", b"42"),
    ("dl_code", b"invalid_data"),
    ("dl_error", b"body: Expected `str` - at `$.data.body`"),
    ("dl_at", b"2026-01-01T12:00:00+00:00"),
]


def record(
    value: bytes | None = b"\xff\0",
    key: bytes | None = b"key",
    headers: Headers = (),
) -> "ConsumerRecord[bytes, bytes]":
    """A record as aiokafka gives it."""
    return kafka_record("inbox.assignments", 7, 42, value, key=key, headers=headers)


@pytest.mark.parametrize("value", [None, b"", b"\xff\0", b"{}"])
@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_dead_letter_has_the_records_own_bytes_and_key(
    value: bytes | None, key: bytes | None
) -> None:
    letter = dead_letter("inbox.dead-letters", record(value, key), ERROR, NOW, 32)
    assert (letter.topic, letter.partition) == ("inbox.dead-letters", 7)
    assert (letter.key, letter.value) == (key, value)
    assert letter.headers == tuple(SAID)


@pytest.mark.parametrize(
    "own",
    [
        (),
        (("content-type", b"x"), ("ce_id", None), ("content-type", b"y")),
        (("dl_code", b"the record's own, of an earlier time"),),
    ],
    ids=str,
)
def test_what_was_wrong_comes_after_the_records_own_headers(
    own: tuple[tuple[str, bytes | None], ...],
) -> None:
    letter = dead_letter("dead", record(headers=own), ERROR, NOW, 32)
    assert letter.headers == (*own, *SAID)
    assert split_headers(letter.headers) == (
        own,
        Origin("inbox.assignments", 7, 42, "invalid_data", ERROR.detail, NOW),
    )


@pytest.mark.parametrize(
    "headers",
    [
        [],
        SAID[1:],
        SAID[:-1],
        [*SAID, ("other", b"")],
        [*SAID[:-1], ("dl_at", b"yesterday")],
        [*SAID[:-1], ("dl_at", b"2026-01-01T12:00:00")],
        [*SAID[:-1], ("dl_at", None)],
        [SAID[0], ("dl_partition", b"\xff"), *SAID[2:]],
        [*SAID[:2], ("dl_offset", None), *SAID[3:]],
    ],
    ids=str,
)
def test_headers_that_are_no_dead_letters_are_a_value_error(
    headers: list[tuple[str, bytes | None]],
) -> None:
    with pytest.raises(ValueError):  # each part has its own message
        split_headers(headers)


def test_a_partition_that_the_topic_does_not_have_is_wrapped_around() -> None:
    assert dead_letter("dead", record(), ERROR, NOW, 4).partition == 3


@pytest.mark.parametrize(
    ("detail", "said"),
    [("x" * 5_000, b"x" * 1_000), ("größe", "größe".encode()), ("\ud800", b"?"), ("", b"")],
)
def test_the_error_is_cut_and_always_can_be_encoded(detail: str, said: bytes) -> None:
    error = InvalidRecord(DeadLetter.NOT_JSON, detail)
    headers = dead_letter("dead", record(), error, NOW, 32).headers
    assert headers is not None
    assert dict(headers)["dl_error"] == said


def test_a_webhooks_form_carries_its_account_and_comes_from_no_partition() -> None:
    error = InvalidRecord(DeadLetter.UNKNOWN_CHANNEL, "no channel")
    own, origin = split_headers(webhook_headers("inbox.messages.received", "acme", error, NOW))
    assert own == (
        ("content-type", b"application/x-www-form-urlencoded"),
        ("account_id", b"acme"),
    )
    assert origin == Origin("inbox.messages.received", -1, -1, "unknown_channel", "no channel", NOW)


def commit(limit: DeadLetterLimit, outcomes: list[bool]) -> None:
    """Commit a batch, if the limit lets it."""
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
