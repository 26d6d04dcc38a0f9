"""Collects what a batch has to say, as records for the outbox, sorted by shard."""

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
from workers.dead_letters import dead_letter
from workers.settings import Settings
from workers.transport import KafkaRecord

ROW_BYTES_MAX = 1024 * 1024
"""About how large an outbox row grows before the next one starts."""

BATCH_BYTES_MAX = 8 * 1024 * 1024
"""A batch that has so much to say is cut there, and the rest is the next batch: an account with
thousands of users turns one message into half a megabyte of notifications."""


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Kafka's own partition of a key. Cached: murmur2 in Python costs as much as a decision."""
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFF_FFFF) % partitions


class Outbox:
    """What one batch says."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self._shards: dict[int, list[list[OutboxRecord]]] = {}
        self._row_bytes: dict[int, int] = {}
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
        partition = partition_of(key, self._settings.partitions)
        topic = self._settings.topic_prefix + TOPIC_OF[data.TYPE]
        self._append(OutboxRecord(topic, partition, key.encode(), encode(event), None))

    def add_dead_letter(self, record: KafkaRecord, error: InvalidRecord) -> None:
        """A record that could not be applied."""
        topic = self._settings.topic("dead-letters")
        partitions = self._settings.partitions
        self._append(dead_letter(topic, record, error, self._now, partitions))

    def _append(self, record: OutboxRecord) -> None:
        shard = record.partition % RELAY_SHARDS
        rows = self._shards.get(shard)
        if rows is None or self._row_bytes[shard] >= ROW_BYTES_MAX:
            rows = self._shards.setdefault(shard, [])
            rows.append([])
            self._row_bytes[shard] = 0
        rows[-1].append(record)
        size = len(record.value or b"") + len(record.key or b"")
        self._row_bytes[shard] += size
        self.bytes += size

    async def save(self, connection: AnyConnection) -> list[OutboxRow]:
        """Write it all, last thing before the commit; the rows that it became."""
        return [
            await add_outbox(connection, shard, records)
            for shard, rows in sorted(self._shards.items())
            for records in rows
        ]
