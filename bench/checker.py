"""Checks a finished run against its promises: reads Postgres, and every topic from the start."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.conversation import NOTHING, Folded, fold
from schemas.catalog import COMMANDS, STRUCT_OF
from schemas.conversations import ConversationClosed, ConversationEvent, MessageRecorded
from schemas.topics import TOPICS
from workers.settings import Settings, required


class Broken(AssertionError):
    """A promise was not kept."""


def expect(holds: bool, promise: str) -> None:
    """Raise Broken unless a promise holds."""
    if not holds:
        raise Broken(promise)


def _expect_once(found: Counter[str], wanted: set[str], what: str) -> None:
    """Raise Broken unless each of what is wanted was found once, and nothing else."""
    missing = len(wanted - found.keys())
    strange = len(found.keys() - wanted)
    doubled = sum(count > 1 for count in found.values())
    expect(
        missing == strange == doubled == 0,
        f"each {what} is there once: {missing} missing, {doubled} doubled, {strange} strange",
    )


async def check(settings: Settings) -> dict[str, int]:
    """Check everything; what was counted. Raises Broken.

    What went in is read from the input topics, so that a check needs nothing but the servers.
    """
    commands, message_ids = await _inputs(settings)
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        rows = await connection.fetch(
            "SELECT message_id::text, provider_message_id, historical, recorded_at"
            " FROM inbox.messages"
        )
        states = await connection.fetch(
            "SELECT conversation_id::text, status, assignee_id, version, message_count"
            " FROM inbox.conversations"
        )
        waiting = await connection.fetchval("SELECT count(*) FROM inbox.outbox")
    finally:
        await connection.close()
    expect(waiting == 0, f"the outbox is empty, not {waiting}")
    recorded = Counter(row["provider_message_id"] for row in rows)
    _expect_once(recorded, message_ids, "row of a message")
    recorded_at = {row["message_id"]: row["recorded_at"] for row in rows}
    seen_ids: set[str] = set()
    folded, events = await _check_log(settings, seen_ids, recorded_at, commands)
    expect(
        {
            row["conversation_id"]: (
                row["version"],
                row["message_count"],
                row["status"],
                row["assignee_id"],
            )
            for row in states
        }
        == {
            key: (
                state.version,
                state.message_count,
                state.snapshot.status,
                state.snapshot.assignee_id,
            )
            for key, state in folded.items()
            if state.snapshot
        },
        "folding the log gives the table",
    )
    notified = await _check_notifications(settings, seen_ids, set(recorded_at))
    results = await _check_results(settings, seen_ids, set(commands))
    return {
        "messages": len(rows),
        "conversations": len(states),
        "log events": events,
        "notifications": notified,
        "results": results,
    }


async def _inputs(settings: Settings) -> tuple[dict[str, datetime], set[str]]:
    """When each command was issued, and which messages there are."""
    commands: dict[str, datetime] = {}
    messages: set[str] = set()
    for topic in ("messages.received", "assignments", "lifecycle"):
        async for event in read(settings, topic):
            if event["type"] in COMMANDS:
                commands[event["id"]] = datetime.fromisoformat(event["time"])
            else:
                messages.add(event["data"]["provider_message_id"])
    return commands, messages


async def _check_log(
    settings: Settings,
    seen_ids: set[str],
    recorded_at: dict[str, datetime],
    commands: dict[str, datetime],
) -> tuple[dict[str, Folded], int]:
    """Fold the log: gapless versions in order, one event each, nothing unseen in a closed one."""
    folded: dict[str, Folded] = defaultdict(lambda: NOTHING)
    newest: dict[str, datetime] = {}
    unseen: set[str] = set()
    logged: Counter[str] = Counter()
    events = 0
    async for event in read(settings, "conversations"):
        events += 1
        _once(event, seen_ids)
        data = msgspec.convert(event["data"], STRUCT_OF[event["type"]])
        assert isinstance(data, ConversationEvent)
        key = data.conversation_id
        folded[key] = fold(folded[key], data)
        unseen.discard(key)
        if isinstance(data, MessageRecorded):
            logged[data.message_id] += 1
            newest[key] = recorded_at[data.message_id]
            if data.after and data.after.status == "closed" and not data.historical:
                unseen.add(key)
        elif isinstance(data, ConversationClosed) and key in newest:
            issued = commands[event["causationid"]]
            expect(issued >= newest[key], "a close does not hide a message recorded after it")
    expect(not unseen, "a closed conversation reopens at once when its contact writes")
    _expect_once(logged, set(recorded_at), "log event of a message")
    return folded, events


async def _check_notifications(settings: Settings, seen_ids: set[str], messages: set[str]) -> int:
    notified: Counter[str] = Counter()
    count = 0
    async for event in read(settings, "notifications"):
        count += 1
        _once(event, seen_ids)
        if message := event["data"]["message"]:
            notified[message["message_id"]] += 1
    _expect_once(notified, messages, "notification of a message")
    return count


async def _check_results(settings: Settings, seen_ids: set[str], commands: set[str]) -> int:
    answered: Counter[str] = Counter()
    async for event in read(settings, "results"):
        _once(event, seen_ids)
        answered[event["data"]["command_id"]] += 1
    _expect_once(answered, commands, "result of a command")
    return answered.total()


def _once(event: dict[str, Any], seen_ids: set[str]) -> None:
    expect(event["id"] not in seen_ids, f"event {event['id']} is there once")
    seen_ids.add(event["id"])


async def read(settings: Settings, topic: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a topic, from the start to now, as a `read_committed` consumer sees them."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    partitions = TOPICS[topic].partitions or settings.partitions
    tps = [TopicPartition(settings.topic(topic), number) for number in range(partitions)]
    async with consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield msgspec.json.decode(record.value)
