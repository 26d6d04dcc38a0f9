"""Makes the dead letter of a record that could not be applied."""

from datetime import datetime

import cramjam

from db.outbox import OutboxRecord
from schemas.dead_letters import HEADERS_BYTES_MAX, dl_headers
from schemas.errors import InvalidRecord
from schemas.topics import DEAD_LETTER_BYTES_MAX
from workers.kafka.records import KafkaRecord


def dead_letter(
    topic: str,
    record: KafkaRecord,
    error: InvalidRecord,
    now: datetime,
    partitions: int,
) -> OutboxRecord:
    """Returns the dead letter of a record: the record unchanged, and headers with the error.

    It goes to the partition of the same number. A value that the topic cannot take is not copied;
    the headers hold the place where it still is.
    """
    value = record.value
    if value is not None and not _fits(value):
        value = None
        error = InvalidRecord(error.code, f"{error.detail}; too large to copy: see its own place")
    added = dl_headers(record.topic, record.partition, record.offset, error, now)
    headers = (*record.headers, *added)
    return OutboxRecord(topic, record.partition % partitions, record.key, value, headers)


def _fits(value: bytes) -> bool:
    """Whether the topic of dead letters takes a value. A large value is compressed first.

    A record that came compressed may have any size, and a value that does not fit would stop its
    shard.
    """
    room = DEAD_LETTER_BYTES_MAX - HEADERS_BYTES_MAX
    return len(value) <= room or len(cramjam.zstd.compress(value)) <= room
