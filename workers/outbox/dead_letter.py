"""Dead letters as records, and the limits past which a worker stops instead."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import cramjam

from db.outbox import Header, OutboxRecord
from schemas.errors import InvalidRecord
from schemas.topics import DEAD_LETTER_BYTES_MAX
from workers.process.errors import DeadLetterFlood

if TYPE_CHECKING:
    # The transport brings Faust along, which the command line starts faster without.
    from workers.ingest.transport import KafkaRecord

WINDOW_RECORDS = 10_000
"""Over how many of a topic's last records the ratio is taken."""

ERROR_CHARACTERS_MAX = 1_000

HEADERS_BYTES_MAX = 512 * 1024
"""Room left for a dead letter's key and headers."""

FORM = b"application/x-www-form-urlencoded"

NO_PARTITION = -1
"""The `dl_partition` of a webhook's form, which never was on a partition."""

_NAMES = ("dl_topic", "dl_partition", "dl_offset", "dl_code", "dl_error", "dl_at")


class Origin(NamedTuple):
    """Where a dead letter came from, and why and when it was set aside."""

    topic: str
    """With the prefix."""
    partition: int
    offset: int
    code: str
    error: str
    at: datetime


def dead_letter(
    topic: str,
    record: "KafkaRecord",
    error: InvalidRecord,
    now: datetime,
    partitions: int,
) -> OutboxRecord:
    """A record that could not be applied, unchanged, with headers that say what was wrong.

    It goes to the partition of the same number. The headers come last, whatever the record's own
    are called, so that `redrive` can take them off again.
    """
    value = record.value
    if value is not None and not _fits(value):
        value = None
        error = InvalidRecord(error.code, f"{error.detail}; too large to copy: see its own place")
    said = _said(record.topic, record.partition, record.offset, error, now)
    headers = (*record.headers, *said)
    return OutboxRecord(topic, record.partition % partitions, record.key, value, headers)


def _fits(value: bytes) -> bool:
    """Whether the topic of dead letters takes a value, which is compressed where it is large.

    A record that came compressed may be any size, and whatever does not fit would stop its shard.
    """
    room = DEAD_LETTER_BYTES_MAX - HEADERS_BYTES_MAX
    return len(value) <= room or len(cramjam.zstd.compress(value)) <= room


def webhook_headers(
    topic: str, account_id: str, error: InvalidRecord, now: datetime
) -> list[tuple[str, bytes]]:
    """The headers of a webhook's form that was dead-lettered on its way to a topic.

    It carries the account that had signed it, and says that it comes from no partition.
    """
    return [
        ("content-type", FORM),
        ("account_id", account_id.encode()),
        *_said(topic, NO_PARTITION, -1, error, now),
    ]


def _said(
    topic: str, partition: int, offset: int, error: InvalidRecord, now: datetime
) -> tuple[tuple[str, bytes], ...]:
    values = (
        topic,
        str(partition),
        str(offset),
        error.code,
        error.detail[:ERROR_CHARACTERS_MAX],
        now.isoformat(),
    )
    encoded = [value.encode(errors="replace") for value in values]
    return tuple(zip(_NAMES, encoded, strict=True))


def split_headers(headers: Sequence[Header]) -> tuple[tuple[Header, ...], Origin]:
    """A dead letter's headers: the record's own, and what the last six say.

    Raises ValueError when they are not those of a dead letter.
    """
    own, said = tuple(headers[: -len(_NAMES)]), headers[-len(_NAMES) :]
    if tuple(name for name, _ in said) != _NAMES:
        raise ValueError("the last six headers are not those of a dead letter")
    topic, partition, offset, code, error, at = (
        (value or b"").decode(errors="replace") for _, value in said
    )
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("dl_at has no offset")
    return own, Origin(topic, int(partition), int(offset), code, error, moment)


class DeadLetterLimit:
    """Counts one topic's dead letters: after a bad deploy, stop instead of setting all aside."""

    def __init__(self, topic: str, run_max: int, ratio_max: float) -> None:
        self._topic = topic
        self._run_max = run_max
        self._ratio_max = ratio_max
        self._run = 0
        self._batches: deque[tuple[int, int]] = deque()
        self._records = 0
        self._dead = 0

    def check(self, outcomes: list[bool]) -> None:
        """Whether a batch may be committed; True stands for a dead letter.

        Raises DeadLetterFlood when the limits would be passed. It counts nothing: a batch may be
        tried again, or halved.
        """
        run = self._run
        for dead in outcomes:
            run = run + 1 if dead else 0
            if run > self._run_max:
                raise DeadLetterFlood(
                    f"{self._topic}: {run} records in a row would be dead-lettered; "
                    "raise INBOX_DEAD_LETTER_RUN if they really are all wrong"
                )
        records, dead_records = self._records + len(outcomes), self._dead + sum(outcomes)
        if records >= WINDOW_RECORDS and dead_records > self._ratio_max * records:
            raise DeadLetterFlood(
                f"{self._topic}: {dead_records} of the last {records} records would be "
                "dead-lettered; raise INBOX_DEAD_LETTER_RATIO if they really are wrong"
            )

    def count(self, outcomes: list[bool]) -> None:
        """Count a batch that was committed."""
        for dead in outcomes:
            self._run = self._run + 1 if dead else 0
        self._batches.append((len(outcomes), sum(outcomes)))
        self._records += len(outcomes)
        self._dead += sum(outcomes)
        while self._records - self._batches[0][0] >= WINDOW_RECORDS:
            old_records, old_dead = self._batches.popleft()
            self._records -= old_records
            self._dead -= old_dead
