"""Checks a finished run against its promises: reads Postgres, and every topic from the start."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import msgspec

from bench.checkers.events import check_events
from bench.checkers.notes import Linked, check_notes
from bench.checkers.promises import Broken, expect, expect_once
from bench.load.topics import read, read_records
from domain.conversation import NOTHING, Folded, fold
from schemas.catalog import INBOUND, STRUCT_OF
from schemas.cloudevents import Decoders, Incoming
from schemas.conversations import (
    ConversationClosed,
    ConversationDeleted,
    ConversationEvent,
    MessageRecorded,
)
from schemas.errors import InvalidRecord
from schemas.fields import Command
from schemas.ids import conversation_id, inbound_message_id, reply_message_id
from schemas.messages import MessageReceived, MessageSend
from workers.settings import Settings, required


async def check(settings: Settings) -> dict[str, int]:
    """Check everything; what was counted. Raises bench.checkers.promises.Broken.

    What went in is read from the input topics, so that a check needs nothing but the servers.
    """
    given = await inputs(settings)
    log = Log()
    await read_log(settings, given, log)
    check_seen(log)
    check_recorded(given, log)
    conversations = await check_rows(settings, log)
    return {
        "messages": log.recorded.total(),
        # Of conversations that were deleted after these were sent.
        "erased messages": len(given.messages.keys() - log.recorded.keys()),
        "conversations": conversations,
        "deleted": len(log.deleted),
        "events": await check_events(settings),
        "notifications": await check_notifications(settings, log),
        "notes": await check_notes(settings, log.linked, given.bodies),
        "results": await check_results(settings, given, log),
    }


@dataclass
class Given:
    """What went in, records that cannot be decoded aside."""

    commands: dict[str, datetime] = field(default_factory=dict)
    """When each was issued."""
    messages: dict[str, str] = field(default_factory=dict)
    """The conversation of each message."""
    bodies: dict[str, str] = field(default_factory=dict)
    """The text of each message and reply."""


async def inputs(settings: Settings) -> Given:
    """Read what went in."""
    given = Given()
    for topic, structs in INBOUND.items():
        if not any(issubclass(struct, Command | MessageReceived) for struct in structs):
            continue
        decoders = Decoders(structs)
        async for record in read_records(settings, topic):
            try:
                event = decoders.decode(record.value, record.headers, record.timestamp)
            except InvalidRecord:
                continue
            _add(given, event)
    return given


def _add(given: Given, event: "Incoming[MessageReceived | Command]") -> None:
    data = event.data
    if isinstance(data, MessageReceived):
        where = data.account_id, data.channel_id
        message_id = inbound_message_id(*where, data.provider_message_id)
        given.messages[message_id] = conversation_id(*where, data.contact.address)
        given.bodies[message_id] = data.body
        return
    given.commands[event.id] = event.time
    if isinstance(data, MessageSend):
        given.bodies[reply_message_id(data.account_id, event.id)] = data.body


@dataclass
class Log:
    """What the log says."""

    folded: dict[str, Folded] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of each conversation, those that were not deleted with it."""
    recorded: Counter[str] = field(default_factory=Counter)
    """Contacts' messages."""
    replies: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    """The conversations that ever were."""
    linked: Linked = field(default_factory=Linked)
    newest: dict[str, datetime] = field(default_factory=dict)
    """When the newest message of each conversation's contact was recorded."""
    unseen: set[str] = field(default_factory=set)
    """Closed conversations in which the contact wrote and that did not reopen at once."""
    hidden: int = 0
    """Closes that hid a message recorded after they were issued."""


async def read_log(settings: Settings, given: Given, log: Log) -> None:
    """Fold the log. Raises Broken where versions have a gap, or are out of order."""
    async for event in read(settings, "conversations"):
        log.linked.apply(event)
        data = msgspec.convert(event["data"], STRUCT_OF[event["type"]])
        assert isinstance(data, ConversationEvent)
        key = data.conversation_id
        try:
            log.folded[key] = fold(log.folded[key], data)
        except ValueError as error:
            raise Broken(f"conversation {key}: {error}") from error
        log.unseen.discard(key)
        if isinstance(data, MessageRecorded):
            _add_message(log, data, datetime.fromisoformat(event["time"]))
        elif isinstance(data, ConversationDeleted):
            log.deleted.add(key)
            log.messages.pop(key, None)
            log.newest.pop(key, None)
        elif isinstance(data, ConversationClosed) and data.actor_id and key in log.newest:
            log.hidden += given.commands[event["causationid"]] < log.newest[key]


def _add_message(log: Log, data: MessageRecorded, recorded_at: datetime) -> None:
    key = data.conversation_id
    log.messages[key].add(data.message_id)
    if data.direction == "outbound":
        log.replies[data.message_id] += 1
        return
    log.recorded[data.message_id] += 1
    log.newest[key] = recorded_at
    if data.after and data.after.status == "closed" and not data.historical:
        log.unseen.add(key)


def check_seen(log: Log) -> None:
    """No contact's message is unseen in a closed conversation. Raises Broken."""
    expect(log.hidden == 0, f"{log.hidden} closes hide a message recorded after them")
    expect(not log.unseen, "a closed conversation reopens at once when its contact writes")


def check_recorded(given: Given, log: Log) -> None:
    """Each message has one event in the log. Raises Broken."""
    wanted = {
        message
        for message, conversation in given.messages.items()
        # What was deleted does not come back; all else is recorded.
        if message in log.recorded or conversation not in log.deleted
    }
    expect_once(log.recorded, wanted, "log event of a message")


async def check_rows(settings: Settings, log: Log) -> int:
    """The tables are what the log says; how many conversations there are. Raises Broken."""
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
    kept = {message for messages in log.messages.values() for message in messages}
    expect_once(Counter(row["message_id"] for row in rows), kept, "row of a message")
    folded = {
        key: (state.snapshot.status, state.snapshot.assignee_id, state.version, state.message_count)
        for key, state in log.folded.items()
        if state.snapshot
    }
    found = {row["conversation_id"]: tuple(row)[1:] for row in states}
    expect(found == folded, "folding the log gives the table")
    return len(states)


async def check_notifications(settings: Settings, log: Log) -> int:
    """Each message is told of once; how many notifications there are. Raises Broken."""
    notified: Counter[str] = Counter()
    count = 0
    async for event in read(settings, "notifications"):
        count += 1
        if event["data"]["kind"] == "message":
            notified[event["data"]["message"]["message_id"]] += 1
    expect_once(notified, log.recorded, "notification of a message")
    return count


async def check_results(settings: Settings, given: Given, log: Log) -> int:
    """Each command is answered once, as a reply each that was accepted is recorded.

    How many results there are. Raises Broken.
    """
    answered: Counter[str] = Counter()
    replies: set[str] = set()
    async for event in read(settings, "results"):
        data = event["data"]
        answered[data["command_id"]] += 1
        if data["command_type"] == MessageSend.TYPE and "code" not in data:
            replies.add(reply_message_id(data["account_id"], data["command_id"]))
    expect_once(answered, given.commands.keys(), "result of a command")
    expect_once(log.replies, replies, "log event of an accepted reply")
    return answered.total()
