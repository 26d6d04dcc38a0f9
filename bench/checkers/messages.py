"""Checks conversations, messages, notifications and results of a finished run."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from bench.checkers.events import check_events
from bench.checkers.history import (
    LoggedHistory,
    Outcome,
    check_history,
    check_outcomes,
    outcome_of,
)
from bench.checkers.notes import Linked, check_notes
from bench.checkers.promises import Broken, expect, expect_once
from bench.checkers.tables import owner_connection
from bench.checkers.topics import read, read_records
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
from workers.settings import Settings


async def check(settings: Settings) -> dict[str, int]:
    """Check everything, and return what was counted. Raises bench.checkers.promises.Broken.

    The inputs are read from their topics, so that a check needs nothing but the servers.
    """
    inputs = await read_inputs(settings)
    log = ConversationLog()
    await read_log(settings, inputs, log)
    check_unseen(log)
    check_recorded(inputs, log)
    conversations = await check_rows(settings, log)
    await check_history(settings, log.history)
    return {
        "messages": log.recorded.total(),
        # They were sent before their conversation was deleted, and recorded not at all.
        "erased messages": len(inputs.messages.keys() - log.recorded.keys()),
        "conversations": conversations,
        "deleted": len(log.deleted),
        "events": await check_events(settings),
        "notifications": await check_notifications(settings, log),
        "notes": await check_notes(settings, log.linked, inputs.bodies),
        "results": await check_results(settings, inputs, log),
    }


@dataclass
class Inputs:
    """The messages and commands that were published; dead letters are left out."""

    commands: dict[str, datetime] = field(default_factory=dict)
    """When each command was issued."""
    messages: dict[str, str] = field(default_factory=dict)
    """The conversation of each message."""
    bodies: dict[str, str] = field(default_factory=dict)
    """The text of each message and reply."""


async def read_inputs(settings: Settings) -> Inputs:
    """Read the messages and commands of the input topics."""
    inputs = Inputs()
    for topic, structs in INBOUND.items():
        if not any(issubclass(struct, Command | MessageReceived) for struct in structs):
            continue
        decoders = Decoders(structs)
        async for record in read_records(settings, topic):
            try:
                event = decoders.decode(
                    record.value, record.headers, record.timestamp, datetime.now(UTC)
                )
            except InvalidRecord:
                continue
            _add_input(inputs, event)
    return inputs


def _add_input(inputs: Inputs, event: "Incoming[MessageReceived | Command]") -> None:
    data = event.data
    if isinstance(data, MessageReceived):
        where = data.account_id, data.channel_id
        message_id = inbound_message_id(*where, data.provider_message_id)
        inputs.messages[message_id] = conversation_id(*where, data.contact.address)
        inputs.bodies[message_id] = data.body
        return
    inputs.commands[event.id] = event.time
    if isinstance(data, MessageSend):
        inputs.bodies[reply_message_id(data.account_id, event.id)] = data.body or ""


@dataclass
class ConversationLog:
    """The state to which the events of all conversations add up."""

    folded: dict[str, Folded] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The messages of each conversation, without those that were deleted with it."""
    recorded: Counter[str] = field(default_factory=Counter)
    """How many times each contact's message was recorded."""
    replies: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    """The conversations that were deleted at any time."""
    history: LoggedHistory = field(default_factory=LoggedHistory)
    linked: Linked = field(default_factory=Linked)
    newest: dict[str, datetime] = field(default_factory=dict)
    """When the newest message of each conversation's contact was recorded."""
    unseen: set[str] = field(default_factory=set)
    """Closed conversations in which the contact wrote and that did not reopen at once."""
    hidden: int = 0
    """How many closes hid a message that was recorded after they were issued."""
    left: set[tuple[str, int]] = field(default_factory=set)
    """The conversations, each with its version, that were unassigned since their assignee was
    gone."""


async def read_log(settings: Settings, inputs: Inputs, log: ConversationLog) -> None:
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
        recorded_at = datetime.fromisoformat(event["time"])
        log.history.apply(data, recorded_at)
        log.unseen.discard(key)
        if data.reason == "assignee_gone":
            log.left.add((key, data.version))
        if isinstance(data, MessageRecorded):
            _add_message(log, data, recorded_at)
        elif isinstance(data, ConversationDeleted):
            log.deleted.add(key)
            log.messages.pop(key, None)
            log.newest.pop(key, None)
        elif isinstance(data, ConversationClosed) and data.actor_id and key in log.newest:
            log.hidden += inputs.commands[event["causationid"]] < log.newest[key]


def _add_message(log: ConversationLog, data: MessageRecorded, recorded_at: datetime) -> None:
    key = data.conversation_id
    log.messages[key].add(data.message_id)
    if data.direction == "outbound":
        log.replies[data.message_id] += 1
        return
    log.recorded[data.message_id] += 1
    log.newest[key] = recorded_at
    if data.after and data.after.status == "closed" and not data.historical:
        log.unseen.add(key)


def check_unseen(log: ConversationLog) -> None:
    """Check that no contact's message is unseen in a closed conversation. Raises Broken."""
    expect(log.hidden == 0, f"{log.hidden} closes hide a message recorded after them")
    expect(not log.unseen, "a closed conversation reopens at once when its contact writes")


def check_recorded(inputs: Inputs, log: ConversationLog) -> None:
    """Check that each message has one event in the log. Raises Broken."""
    wanted = {
        message
        for message, conversation in inputs.messages.items()
        # A message of a deleted conversation may be unrecorded; every other is recorded.
        if message in log.recorded or conversation not in log.deleted
    }
    expect_once(log.recorded, wanted, "log event of a message")


async def check_rows(settings: Settings, log: ConversationLog) -> int:
    """Check that the tables agree with the log. Raises Broken.

    Returns how many conversations there are.
    """
    async with owner_connection(settings) as connection:
        rows = await connection.fetch("SELECT message_id::text FROM inbox.messages")
        states = await connection.fetch(
            "SELECT conversation_id::text, status, assignee_id, version, message_count"
            " FROM inbox.conversations"
        )
        waiting = await connection.fetchval("SELECT count(*) FROM inbox.outbox")
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


async def check_notifications(settings: Settings, log: ConversationLog) -> int:
    """Check that each message has one notification. Raises Broken.

    One that unassigned its conversation, since the assignee was gone, reaches those who are there.
    Returns how many notifications there are.
    """
    notified: Counter[str] = Counter()
    count = 0
    async for event in read(settings, "notifications"):
        count += 1
        data = event["data"]
        if data["kind"] == "message":
            notified[data["message"]["message_id"]] += 1
            if (data["conversation_id"], data["version"]) in log.left:
                reasons = {recipient["reason"] for recipient in data["recipients"]}
                expect(reasons == {"unassigned"}, "a message reaches those who are there")
    expect_once(notified, log.recorded, "notification of a message")
    return count


async def check_results(settings: Settings, inputs: Inputs, log: ConversationLog) -> int:
    """Check that each command has one result, which is its outcome, and each accepted reply one
    event in the log.

    Returns how many results there are. Raises Broken.
    """
    answered: Counter[str] = Counter()
    outcomes: dict[tuple[str, str], Outcome] = {}
    replies: set[str] = set()
    async for event in read(settings, "results"):
        data = event["data"]
        answered[data["command_id"]] += 1
        outcomes[data["account_id"], data["command_id"]] = outcome_of(data)
        if data["command_type"] == MessageSend.TYPE and "code" not in data:
            replies.add(reply_message_id(data["account_id"], data["command_id"]))
    expect_once(answered, inputs.commands.keys(), "result of a command")
    expect_once(log.replies, replies, "log event of an accepted reply")
    await check_outcomes(settings, outcomes)
    return answered.total()
