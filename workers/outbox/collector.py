"""Collects what a batch emits: events and dead letters, by shard, and entries of the history."""

from collections import defaultdict
from datetime import datetime
from functools import lru_cache

from db.connect import AnyConnection
from db.conversations import conversation_key
from db.history import insert_history
from db.outbox import OutboxRecord, OutboxRow, add_outbox
from domain.history import HistoryEntry, history_entry
from domain.outgoing import Outgoing
from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CloudEvent, encode
from schemas.conversations import ConversationDeleted
from schemas.dead_letters import DEAD_LETTERS_TOPIC
from schemas.errors import InvalidRecord
from schemas.fields import Emitted
from schemas.topics import RELAY_SHARDS
from workers.kafka.partitions import partition_of
from workers.kafka.records import KafkaRecord
from workers.outbox.dead_letter import dead_letter
from workers.settings import Settings

ROW_BYTES_MAX = 1024 * 1024
"""A new outbox row starts when the last one has grown to about this size."""

OUTBOX_BATCH_BYTES_MAX = 8 * 1024 * 1024
"""A batch that emits this much is cut there, and the rest is the next batch: in an account with
thousands of users one message becomes half a megabyte of notifications."""


@lru_cache(maxsize=4)
def _topics(prefix: str) -> dict[str, str]:
    """Returns the full topic name of each event type."""
    return {type_: prefix + topic for type_, topic in TOPIC_OF.items()}


class _Row:
    """A row of the outbox while records are added to it."""

    def __init__(self) -> None:
        self.records: list[OutboxRecord] = []
        self.bytes = 0


class OutboxCollector:
    """Collects what one batch emits."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings = settings
        self._topics = _topics(settings.topic_prefix)
        self._now = now
        self._rows: dict[int, list[_Row]] = defaultdict(lambda: [_Row()])
        """The rows of each shard."""
        self._history: list[HistoryEntry] = []
        self.bytes = 0
        """The size of all values and keys so far."""

    def add(self, outgoing: Outgoing) -> None:
        """Add an event about a conversation.

        The event's shard follows from its conversation, not from the partition that its cause
        came from. So a conversation's events are published in the order of its versions.
        """
        data = outgoing.data
        key = data.conversation_id
        event = CloudEvent(outgoing.event_id, data.TYPE, self._now, data, key, outgoing.cause_id)
        value = encode(event)
        partition = partition_of(key, self._settings.partitions)
        record = OutboxRecord(self._topics[data.TYPE], partition, key.encode(), value, None)
        self._append(record, len(value))
        self._add_history(data)

    def _add_history(self, event: Emitted) -> None:
        entry = history_entry(event, self._now)
        if entry is not None:
            self._history.append(entry)
        elif self._history and isinstance(event, ConversationDeleted):
            # The batch deletes its rows first, and writes these afterwards.
            key = conversation_key(event)
            self._history = [one for one in self._history if conversation_key(one) != key]

    def add_dead_letter(self, record: KafkaRecord, error: InvalidRecord) -> None:
        """Add the dead letter of a record that could not be applied."""
        topic = self._settings.topic(DEAD_LETTERS_TOPIC)
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
        """Write the history, and all records to the outbox; return the rows of the outbox.

        Call it last before the commit.
        """
        await insert_history(connection, self._history)
        collected = [(shard, row.records) for shard, rows in self._rows.items() for row in rows]
        return await add_outbox(connection, collected)
