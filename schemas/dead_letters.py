"""The headers of a dead letter: where its record came from, what was wrong with it, and when.

A dead letter keeps its record's own headers, which may have any names. The six `dl_` headers come
last, so that `inbox dead-letters redrive` can remove exactly those.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.errors import InvalidRecord

DEAD_LETTERS_TOPIC = "dead-letters"
"""Without the prefix."""

ERROR_CHARACTERS_MAX = 1_000
"""`dl_error` is cut there."""

HEADERS_BYTES_MAX = 512 * 1024
"""Room for a dead letter's key and all its headers, within the size limit of its topic."""

FORM = b"application/x-www-form-urlencoded"
"""The content type of a webhook's form that was dead-lettered."""

NO_PARTITION = -1
"""The `dl_partition` of a webhook's form, which never was on a partition."""

NO_OFFSET = -1
"""The `dl_offset` of a webhook's form."""

DL_HEADERS = ("dl_topic", "dl_partition", "dl_offset", "dl_code", "dl_error", "dl_at")
"""The names of the last headers of every dead letter, in this order."""

Header = tuple[str, bytes | None]
"""The name and the value of one header of a Kafka record."""


class Origin(NamedTuple):
    """Where a dead letter came from, and why and when it was dead-lettered."""

    topic: str
    """With the prefix."""
    partition: int
    offset: int
    code: str
    """One of `schemas.codes.DeadLetterCode`, unless another version of the program wrote it."""
    error: str
    at: datetime


def dl_headers(
    topic: str, partition: int, offset: int, error: InvalidRecord, now: datetime
) -> tuple[tuple[str, bytes], ...]:
    """Returns the `dl_` headers of a record that cannot be applied."""
    values = (
        topic,
        str(partition),
        str(offset),
        error.code,
        error.detail[:ERROR_CHARACTERS_MAX],
        now.isoformat(),
    )
    encoded = [value.encode(errors="replace") for value in values]
    return tuple(zip(DL_HEADERS, encoded, strict=True))


def webhook_headers(
    topic: str, account_id: str, error: InvalidRecord, now: datetime
) -> list[tuple[str, bytes]]:
    """Returns the headers of a webhook's form that was dead-lettered on its way to a topic.

    They hold the account that signed the form, and that the form comes from no partition.
    """
    return [
        ("content-type", FORM),
        ("account_id", account_id.encode()),
        *dl_headers(topic, NO_PARTITION, NO_OFFSET, error, now),
    ]


def split_headers(headers: Sequence[Header]) -> tuple[tuple[Header, ...], Origin]:
    """Split a dead letter's headers into the record's own and what the `dl_` headers hold.

    Raises ValueError when they are not the headers of a dead letter.
    """
    own, last = tuple(headers[: -len(DL_HEADERS)]), headers[-len(DL_HEADERS) :]
    if tuple(name for name, _ in last) != DL_HEADERS:
        raise ValueError("the last six headers are not those of a dead letter")
    topic, partition, offset, code, error, at = (
        (value or b"").decode(errors="replace") for _, value in last
    )
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("dl_at has no offset")
    return own, Origin(topic, int(partition), int(offset), code, error, moment)
