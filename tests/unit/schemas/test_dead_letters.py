"""The headers of dead letters are made so that they can be split off again."""

from datetime import UTC, datetime

import pytest

from schemas.codes import DeadLetterCode
from schemas.dead_letters import (
    DEAD_LETTERS_TOPIC,
    Header,
    Origin,
    dl_headers,
    split_headers,
    webhook_headers,
)
from schemas.errors import InvalidRecord
from schemas.topics import TOPICS

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
VALID: list[Header] = [
    ("dl_topic", b"inbox.assignments"),
    ("dl_partition", b"7"),
    ("dl_offset", b"42"),
    ("dl_code", b"invalid_data"),
    ("dl_error", b"body: Expected `str` - at `$.data.body`"),
    ("dl_at", b"2026-01-01T12:00:00+00:00"),
]


def test_dead_letters_have_a_topic() -> None:
    assert DEAD_LETTERS_TOPIC in TOPICS


@pytest.mark.parametrize(
    "headers",
    [
        [],
        VALID[1:],
        VALID[:-1],
        [*VALID, ("other", b"")],
        [*VALID[:-1], ("dl_at", b"yesterday")],
        [*VALID[:-1], ("dl_at", b"2026-01-01T12:00:00")],
        [*VALID[:-1], ("dl_at", None)],
        [VALID[0], ("dl_partition", b"\xff"), *VALID[2:]],
        [*VALID[:2], ("dl_offset", None), *VALID[3:]],
    ],
    ids=str,
)
def test_headers_that_are_no_dead_letters_are_a_value_error(headers: list[Header]) -> None:
    with pytest.raises(ValueError):  # each part has its own message
        split_headers(headers)


@pytest.mark.parametrize(
    ("detail", "header"),
    [("x" * 5_000, b"x" * 1_000), ("größe", "größe".encode()), ("\ud800", b"?"), ("", b"")],
)
def test_the_error_is_cut_and_always_can_be_encoded(detail: str, header: bytes) -> None:
    error = InvalidRecord(DeadLetterCode.NOT_JSON, detail)
    assert dict(dl_headers("inbox.assignments", 7, 42, error, NOW))["dl_error"] == header


def test_a_webhooks_form_carries_its_account_and_comes_from_no_partition() -> None:
    error = InvalidRecord(DeadLetterCode.UNKNOWN_CHANNEL, "no channel")
    own, origin = split_headers(webhook_headers("inbox.messages.received", "acme", error, NOW))
    assert own == (
        ("content-type", b"application/x-www-form-urlencoded"),
        ("account_id", b"acme"),
    )
    assert origin == Origin("inbox.messages.received", -1, -1, "unknown_channel", "no channel", NOW)
