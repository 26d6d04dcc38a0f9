"""Checks a finished run against its promises: reads Postgres, and every topic from the start."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from bench.note_checker import Linked, check_notes
from bench.promises import expect, expect_once
from bench.topics import read
from domain.conversation import NOTHING, Folded, fold
from schemas.catalog import COMMANDS, INBOUND, STRUCT_OF
from schemas.conversations import (
    ConversationClosed,
    ConversationDeleted,
    ConversationEvent,
    MessageRecorded,
)
from schemas.fields import Command
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived
from workers.settings import Settings, required


async def check(settings: Settings) -> dict[str, int]:
    """Check everything; what was counted. Raises bench.promises.Broken.

    What went in is read from the input topics, so that a check needs nothing but the servers.
    """
    given = await _inputs(settings)
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        rows = await connection.fetch("SELECT message_id::text FROM inbox.messages")
        states = await connection.fetch(
            "SELECT conversation_id::text, status, assignee_id, version, message_count"
            " FROM inbox.conversations"
        )
        waiting = await connection.fetchval("SELECT count(*) FROM inbox.outbox")
    finally:
        await connection.close()
    expect(waiting == 0, f"the outbox is empty, not {waiting}")
    seen_ids: set[str] = set()
    log = await _check_log(settings, seen_ids, given)
    kept = {message for messages in log.messages.values() for message in messages}
    expect_once(Counter(row["message_id"] for row in rows), kept, "row of a message")
    expect(
        {row["conversation_id"]: tuple(row)[1:] for row in states}
        == {
            key: (
                state.snapshot.status,
                state.snapshot.assignee_id,
                state.version,
                state.message_count,
            )
            for key, state in log.folded.items()
            if state.snapshot
        },
        "folding the log gives the table",
    )
    return {
        "messages": log.recorded.total(),
        # Of conversations that were deleted after these were sent.
        "erased messages": len(given.messages.keys() - log.recorded.keys()),
        "conversations": len(states),
        "deleted": len(log.deleted),
        "log events": log.events,
        "notifications": await _check_notifications(settings, seen_ids, log),
        "notes": await check_notes(settings, log.linked),
        "results": await _check_results(settings, seen_ids, set(given.commands)),
    }


@dataclass
class _Given:
    """What went in."""

    commands: dict[str, datetime] = field(default_factory=dict)
    """When each was issued."""
    messages: dict[str, str] = field(default_factory=dict)
    """The conversation of each message."""


async def _inputs(settings: Settings) -> _Given:
    given = _Given()
    for topic, structs in INBOUND.items():
        if not any(issubclass(struct, Command | MessageReceived) for struct in structs):
            continue
        async for event in read(settings, topic):
            if event["type"] in COMMANDS:
                given.commands[event["id"]] = datetime.fromisoformat(event["time"])
            else:
                data = msgspec.convert(event["data"], MessageReceived)
                where = data.account_id, data.channel_id
                message_id = inbound_message_id(*where, data.provider_message_id)
                given.messages[message_id] = conversation_id(*where, data.contact.address)
    return given


@dataclass
class _Log:
    """What the log says."""

    folded: dict[str, Folded] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of each conversation, those that were not deleted with it."""
    recorded: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    """The conversations that ever were."""
    linked: Linked = field(default_factory=Linked)
    events: int = 0


async def _check_log(settings: Settings, seen_ids: set[str], given: _Given) -> _Log:
    """Fold the log: gapless versions in order, one event each, nothing unseen in a closed one."""
    log = _Log()
    newest: dict[str, datetime] = {}
    unseen: set[str] = set()
    async for event in read(settings, "conversations"):
        log.events += 1
        _once(event, seen_ids)
        log.linked.apply(event)
        data = msgspec.convert(event["data"], STRUCT_OF[event["type"]])
        assert isinstance(data, ConversationEvent)
        key = data.conversation_id
        log.folded[key] = fold(log.folded[key], data)
        unseen.discard(key)
        if isinstance(data, MessageRecorded):
            log.recorded[data.message_id] += 1
            log.messages[key].add(data.message_id)
            if data.direction == "inbound":
                newest[key] = datetime.fromisoformat(event["time"])
            if data.after and data.after.status == "closed" and not data.historical:
                unseen.add(key)
        elif isinstance(data, ConversationDeleted):
            log.deleted.add(key)
            log.messages.pop(key, None)
            newest.pop(key, None)
        elif isinstance(data, ConversationClosed) and data.actor_id and key in newest:
            issued = given.commands[event["causationid"]]
            expect(issued >= newest[key], "a close does not hide a message recorded after it")
    expect(not unseen, "a closed conversation reopens at once when its contact writes")
    wanted = {
        message
        for message, conversation in given.messages.items()
        # What was deleted does not come back; all else is recorded.
        if message in log.recorded or conversation not in log.deleted
    }
    expect_once(log.recorded, wanted, "log event of a message")
    return log


async def _check_notifications(settings: Settings, seen_ids: set[str], log: _Log) -> int:
    notified: Counter[str] = Counter()
    count = 0
    async for event in read(settings, "notifications"):
        count += 1
        _once(event, seen_ids)
        message = event["data"]["message"]
        if event["data"]["kind"] == "message":
            notified[message["message_id"]] += 1
    expect_once(notified, log.recorded, "notification of a message")
    return count


async def _check_results(settings: Settings, seen_ids: set[str], commands: set[str]) -> int:
    answered: Counter[str] = Counter()
    async for event in read(settings, "results"):
        _once(event, seen_ids)
        answered[event["data"]["command_id"]] += 1
    expect_once(answered, commands, "result of a command")
    return answered.total()


def _once(event: dict[str, Any], seen_ids: set[str]) -> None:
    expect(event["id"] not in seen_ids, f"event {event['id']} is there once")
    seen_ids.add(event["id"])
