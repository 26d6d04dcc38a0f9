"""A dead letter is its record unchanged, with headers that describe the error."""

from datetime import UTC, datetime
from os import urandom

import pytest
from aiokafka.structs import ConsumerRecord

from schemas.codes import DeadLetterCode
from schemas.dead_letters import Origin, split_headers
from schemas.errors import InvalidRecord
from schemas.topics import DEAD_LETTER_BYTES_MAX
from tests.harness.kafka_records import Headers, kafka_record
from workers.outbox.dead_letter import dead_letter

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ERROR = InvalidRecord(DeadLetterCode.INVALID_DATA, "body: Expected `str` - at `$.data.body`")
ADDED = [
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
    """Returns a record as aiokafka does."""
    return kafka_record("inbox.assignments", 7, 42, value, key=key, headers=headers)


@pytest.mark.parametrize("value", [None, b"", b"\xff\0", b"{}"])
@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_dead_letter_has_the_records_own_bytes_and_key(
    value: bytes | None, key: bytes | None
) -> None:
    letter = dead_letter("inbox.dead-letters", record(value, key), ERROR, NOW, 32)
    assert (letter.topic, letter.partition) == ("inbox.dead-letters", 7)
    assert (letter.key, letter.value) == (key, value)
    assert letter.headers == tuple(ADDED)


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
    assert letter.headers == (*own, *ADDED)
    assert split_headers(letter.headers) == (
        own,
        Origin("inbox.assignments", 7, 42, "invalid_data", ERROR.detail, NOW),
    )


def test_a_partition_that_the_topic_does_not_have_is_wrapped_around() -> None:
    assert dead_letter("dead", record(), ERROR, NOW, 4).partition == 3


def test_a_value_that_fits_only_compressed_is_kept() -> None:
    large = bytes(DEAD_LETTER_BYTES_MAX)
    assert dead_letter("dead", record(large), ERROR, NOW, 32).value == large


def test_a_value_that_does_not_fit_is_left_out_and_the_error_says_so() -> None:
    noise = urandom(DEAD_LETTER_BYTES_MAX)
    letter = dead_letter("dead", record(noise), ERROR, NOW, 32)
    assert (letter.key, letter.value) == (b"key", None)
    _, origin = split_headers(letter.headers or ())
    assert origin.code == ERROR.code
    assert origin.error == f"{ERROR.detail}; too large to copy: see its own place"
