"""Collects what a batch has to say, as records for the outbox, sorted by shard."""

from collections import defaultdict
from datetime import datetime
from functools import lru_cache

from aiokafka.partitioner import murmur2

from db.connect import AnyConnection
from db.outbox import OutboxRecord, OutboxRow, add_outbox
from domain.decision import Outgoing
from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CloudEvent, encode
from schemas.errors import InvalidRecord
from schemas.topics import RELAY_SHARDS
from workers.ingest.transport import KafkaRecord
from workers.outbox.dead_letter import dead_letter
from workers.settings import Settings

ROW_BYTES_MAX = 1024 * 1024
"""About how large an outbox row grows before the next one starts."""

BATCH_BYTES_MAX = 8 * 1024 * 1024
"""A batch that has so much to say is cut there, and the rest is the next batch: an account with
thousands of users turns one message into half a megabyte of notifications."""


@lru_cache(maxsize=32_768)
def partition_of(key: str, partitions: int) -> int:
    """Kafka's own partition of a key. Cached: murmur2 in Python costs as much as a decision."""
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFF_FFFF) % partitions


@lru_cache(maxsize=4)
def _topics(prefix: str) -> dict[str, str]:
    """The full name of the topic of each type."""
    return {type_: prefix + topic for type_, topic in TOPIC_OF.items()}


class _Row:
    """A row of the outbox as it grows."""

    def __init__(self) -> None:
        self.records: list[OutboxRecord] = []
        self.bytes = 0


class Outbox:
    """What one batch says."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._topics = _topics(settings.topic_prefix)
        self._now = now
        self._rows: dict[int, list[_Row]] = defaultdict(lambda: [_Row()])
        """What each shard is told."""
        self.bytes = 0
        """How much there is so far: values and keys."""

    def add(self, outgoing: Outgoing) -> None:
        """An event about a conversation.

        Its shard follows from its conversation, whichever partition its cause came from, so that
        a conversation's events are published in the order of its versions.
        """
        data = outgoing.data
        key = data.conversation_id
        event = CloudEvent(outgoing.event_id, data.TYPE, self._now, data, key, outgoing.cause_id)
        value = encode(event)
        partition = partition_of(key, self._settings.partitions)
        record = OutboxRecord(self._topics[data.TYPE], partition, key.encode(), value, None)
        self._append(record, len(value))

    def add_dead_letter(self, record: KafkaRecord, error: InvalidRecord) -> None:
        """A record that could not be applied."""
        topic = self._settings.topic("dead-letters")
        partitions = self._settings.partitions
        dead = dead_letter(topic, record, error, self._now, partitions)
        self._append(dead, len(dead.value or b""))

    def _append(self, record: OutboxRecord, size: int) -> None:
        rows = self._rows[record.partition % RELAY_SHARDS]
        row = rows[-1]
        if row.bytes >= ROW_BYTES_MAX:
            row = _Row()
            rows.append(row)
        row.records.append(record)
        size += len(record.key or b"")
        row.bytes += size
        self.bytes += size

    async def save(self, connection: AnyConnection) -> list[OutboxRow]:
        """Write it all, last thing before the commit; the rows that it became."""
        given = [(shard, row.records) for shard, rows in self._rows.items() for row in rows]
        return await add_outbox(connection, given)
