"""What a batch emits becomes records, sorted by shard."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from db.connect import AnyConnection
from db.outbox import OutboxRecord, OutboxRow
from domain.history import HistoryEntry
from domain.outgoing import Outgoing
from schemas.codes import DeadLetterCode
from schemas.commands import CommandAccepted
from schemas.conversations import (
    ConversationClosed,
    ConversationCreated,
    ConversationDeleted,
    ConversationEvent,
    ConversationReopened,
    Snapshot,
)
from schemas.errors import InvalidRecord
from schemas.fields import AccountId
from schemas.topics import RELAY_SHARDS
from tests.harness.kafka_records import kafka_record
from workers.kafka.partitions import partition_of
from workers.outbox import collector
from workers.outbox.collector import OutboxCollector
from workers.settings import Settings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = Settings.from_environment({"INBOX_TOPIC_PREFIX": "test."})
WRITTEN = list[tuple[int, Sequence[OutboxRecord]]]


def created(conversation_id: str) -> Outgoing:
    data = ConversationCreated(
        account_id=AccountId("acme"),
        conversation_id=conversation_id,
        version=1,
        before=None,
        after=Snapshot("open", None),
        actor_id=None,
        reason="inbound_message",
    )
    return Outgoing(f"event of {conversation_id}", "cause", data)


def changed(struct: type[ConversationEvent], conversation_id: str, version: int) -> Outgoing:
    data = struct(
        account_id=AccountId("acme"),
        conversation_id=conversation_id,
        version=version,
        before=Snapshot("open", None),
        after=None,
        actor_id="ana",
        reason="command",
    )
    return Outgoing(f"event {version} of {conversation_id}", "cause", data)


def accepted(conversation_id: str) -> Outgoing:
    data = CommandAccepted(
        account_id=AccountId("acme"),
        conversation_id=conversation_id,
        version=2,
        command_id="c1",
        command_type="inbox.conversation.close.v1",
    )
    return Outgoing("result", "cause", data)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> WRITTEN:
    """The rows that `save` writes, in a list instead of a table."""
    rows: WRITTEN = []

    async def add_outbox(_: AnyConnection, added: WRITTEN) -> list[OutboxRow]:
        rows.extend(added)
        return [OutboxRow(shard, number, records) for number, (shard, records) in enumerate(added)]

    monkeypatch.setattr(collector, "add_outbox", add_outbox)
    return rows


async def save(outbox: OutboxCollector) -> list[OutboxRow]:
    return await outbox.save(None)  # type: ignore[arg-type]  # the function that writes is replaced


async def test_an_event_goes_to_its_topic_keyed_by_its_conversation(written: WRITTEN) -> None:
    outbox = OutboxCollector(SETTINGS, NOW)
    outbox.add(created("conversation-1"))
    outbox.add(accepted("conversation-1"))
    await save(outbox)
    ((shard, records),) = written
    partition = partition_of("conversation-1", SETTINGS.partitions)
    assert shard == partition % RELAY_SHARDS
    assert [record.topic for record in records] == ["test.conversations", "test.results"]
    for record in records:
        assert (record.partition, record.key) == (partition, b"conversation-1")
        assert record.headers is None, "None stands for the content type"
        assert record.value is not None
        event = msgspec.json.decode(record.value)
        assert event["subject"] == "conversation-1"
        assert (event["time"], event["causationid"]) == ("2026-01-01T12:00:00Z", "cause")


async def test_the_shard_is_that_of_each_events_own_conversation_in_order(
    written: WRITTEN,
) -> None:
    outbox = OutboxCollector(SETTINGS, NOW)
    conversations = [f"conversation-{number}" for number in range(100)]
    for conversation_id in conversations:
        outbox.add(created(conversation_id))
    for conversation_id in conversations:
        outbox.add(accepted(conversation_id))
    rows = await save(outbox)
    assert [(row.shard, row.records) for row in rows] == written
    assert sorted(row.shard for row in rows) == list(range(RELAY_SHARDS))
    for shard, records in written:
        keys = [str(record.key, "ascii") for record in records if record.key]
        expected = [
            conversation_id
            for conversation_id in conversations
            if partition_of(conversation_id, SETTINGS.partitions) % RELAY_SHARDS == shard
        ]
        assert keys == expected * 2


async def test_a_row_that_is_large_enough_is_followed_by_another(
    written: WRITTEN, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = OutboxCollector(SETTINGS, NOW)
    outbox.add(created("conversation-1"))
    monkeypatch.setattr(collector, "ROW_BYTES_MAX", 2 * outbox.bytes)
    for _ in range(4):
        outbox.add(created("conversation-1"))
    await save(outbox)
    assert [len(records) for _, records in written] == [2, 2, 1]
    assert len({shard for shard, _ in written}) == 1


async def test_nothing_to_say_writes_nothing(written: WRITTEN) -> None:
    outbox = OutboxCollector(SETTINGS, NOW)
    assert await save(outbox) == []
    assert (written, outbox.bytes) == ([], 0)


async def test_the_history_is_written_as_far_as_its_conversations_are_not_deleted_afterwards(
    written: WRITTEN, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries: list[tuple[str, int, str]] = []

    async def insert_history(_: AnyConnection, given: Sequence[HistoryEntry]) -> None:
        assert written == [], "the counters of the shards are locked last"
        entries.extend((entry.conversation_id, entry.version, entry.type) for entry in given)

    monkeypatch.setattr(collector, "insert_history", insert_history)
    outbox = OutboxCollector(SETTINGS, NOW)
    outbox.add(created("conversation-1"))
    outbox.add(changed(ConversationClosed, "conversation-1", 2))
    outbox.add(changed(ConversationClosed, "conversation-2", 2))
    outbox.add(changed(ConversationDeleted, "conversation-1", 3))
    outbox.add(changed(ConversationReopened, "conversation-1", 5))
    await save(outbox)
    assert entries == [("conversation-2", 2, "closed"), ("conversation-1", 5, "reopened")]


async def test_a_dead_letter_goes_along_with_the_shard_of_its_own_partition(
    written: WRITTEN,
) -> None:
    record = kafka_record("test.assignments", 13, 1, b"\xff")
    outbox = OutboxCollector(SETTINGS, NOW)
    outbox.add_dead_letter(record, InvalidRecord(DeadLetterCode.NOT_JSON, "junk"))
    await save(outbox)
    ((shard, (letter,)),) = written
    assert shard == 13 % RELAY_SHARDS
    assert (letter.topic, letter.partition, letter.value) == ("test.dead-letters", 13, b"\xff")
    assert outbox.bytes == 1


async def test_how_much_there_is_counts_values_and_keys(written: WRITTEN) -> None:
    outbox = OutboxCollector(SETTINGS, NOW)
    for number in range(3):
        outbox.add(created(f"conversation-{number}"))
    await save(outbox)
    sizes = [len(r.value or b"") + len(r.key or b"") for _, records in written for r in records]
    assert outbox.bytes == sum(sizes)
