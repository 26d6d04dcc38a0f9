"""An inbox in memory: it calls the rules event by event, as the agents do, on dicts and sets."""

from collections.abc import Iterable
from copy import copy
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from msgspec.structs import replace

from domain.commands import decide_command
from domain.conversation import Conversation, Tombstone
from domain.conversation_state import ConversationState, Decision
from domain.directory import (
    Channel,
    ChannelEvent,
    Directory,
    User,
    UserEvent,
    decide_channel,
    decide_user,
)
from domain.gone_assignees import unassign
from domain.linking import request_id
from domain.messages import decide_message, derive_ids, is_erased
from domain.notes import FIRST_MESSAGES_MAX, Link, leave_alone, note_message
from domain.outgoing import Message, Outgoing
from schemas.cloudevents import Incoming
from schemas.commands import ConversationDelete
from schemas.conversations import MessageRecorded
from schemas.fields import AccountId, ChannelId, Command, Emitted, EventData, UserId
from schemas.ids import reply_message_id
from schemas.links import ConversationLink
from schemas.messages import MessageReceived, MessageSend
from schemas.notes import NoteCreated, NoteDeleted, NoteEdited, NoteMessage
from tests.unit.domain.given.samples import APP_URL, NOON

ConversationKey = tuple[AccountId, str]
MessageKey = tuple[AccountId, str]
Event = Incoming[Any]
NoteEvent = NoteEdited | NoteDeleted


class NoteTouched(EventData, frozen=True, kw_only=True):
    """A note was edited or deleted in the CRM. Which one is chosen when the event is applied."""

    TYPE = "a note was touched"

    conversation_id: UUID
    deleted: bool
    back: int
    """How many notes of the conversation are newer than it; if there are too few notes, it is one
    that never existed."""


class GoneLookedFor(EventData, frozen=True, kw_only=True):
    """Workers look for the conversations of assignees who are gone. Not an event of Kafka."""

    TYPE = "assignees who are gone were looked for"


class Applied(NamedTuple):
    """An event of a history, when it was applied, and the events that it emitted."""

    event: Event
    now: datetime
    outgoing: tuple[Outgoing, ...]


class Inbox:
    """What the tables hold, every note that was emitted, and every event that was applied."""

    def __init__(self) -> None:
        self.users: dict[tuple[AccountId, UserId], User] = {}
        self.channels: dict[tuple[AccountId, ChannelId], Channel] = {}
        self.conversations: dict[ConversationKey, Conversation] = {}
        self.tombstones: dict[ConversationKey, Tombstone] = {}
        self.links: dict[ConversationKey, tuple[Link, ...]] = {}
        self.requests: dict[tuple[ConversationKey, str], bool] = {}
        self.messages: dict[MessageKey, Message] = {}
        self.deleted: set[MessageKey] = set()
        self.answered: set[tuple[AccountId, str]] = set()
        self.notes: tuple[tuple[ConversationKey, str], ...] = ()
        self.applied: list[Applied] = []

    def copy(self) -> Self:
        """Returns another inbox in the same state."""
        other = copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    @property
    def state(self) -> dict[str, Any]:
        """What the tables and the notes hold; without the events that were applied."""
        return {name: copy(value) for name, value in vars(self).items() if name != "applied"}

    def apply(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        """Apply an event as the agent of its topic would."""
        if isinstance(event.data, NoteTouched):
            event = replace(event, data=self._touched(event.data))
        data, outgoing = event.data, tuple[Outgoing, ...]()
        if isinstance(data, NoteEvent):
            self._leave_alone(data)
        elif isinstance(data, MessageReceived):
            outgoing = self._record(event, now)
        elif isinstance(data, Command):
            outgoing = self._command(event, now)
        elif isinstance(data, GoneLookedFor):
            outgoing = self._unassign(data.account_id)
        else:
            self._direct(data)
        for item in outgoing:
            if isinstance(item.data, NoteCreated):
                key = (item.data.account_id, item.data.conversation_id)
                self.notes += ((key, item.data.note_id),)
        self.applied.append(Applied(event, now, outgoing))
        return outgoing

    def _record(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        account_id = event.data.account_id
        conversation_key, message_id = derive_ids(event.data)
        message_key = (account_id, message_id)
        state = self._load((account_id, conversation_key))
        if self._is_known(message_key) or is_erased(state, event.data):
            return ()
        decision = decide_message(state, event, now, self._directory(account_id), APP_URL)
        self._save((account_id, conversation_key), decision)
        return decision.outgoing

    def _command(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        data, account_id = event.data, event.data.account_id
        reply = (account_id, reply_message_id(account_id, event.id))
        is_sent = isinstance(data, MessageSend) and self._is_known(reply)
        if (account_id, event.id) in self.answered or is_sent:
            return ()
        self.answered.add((account_id, event.id))
        key = (account_id, str(data.conversation_id))
        state = self._load(key, request_id(event))
        decision = decide_command(
            state,
            event,
            now,
            self._directory(account_id),
            APP_URL,
            channel=self._channel(state, data),
            latest=self._latest(key) if isinstance(data, ConversationLink) else (),
        )
        self._save(key, decision)
        return decision.outgoing

    def _unassign(self, account_id: AccountId) -> tuple[Outgoing, ...]:
        directory, outgoing = self._directory(account_id), tuple[Outgoing, ...]()
        for key, conversation in self.conversations.items():
            if key[0] == account_id and directory.is_gone(conversation.assignee_id):
                self.conversations[key], unassigned = unassign(conversation, None)
                outgoing += (unassigned,)
        return outgoing

    def _is_known(self, key: MessageKey) -> bool:
        """Whether a message is recorded, or was deleted lately."""
        return key in self.messages or key in self.deleted

    def _channel(self, state: ConversationState, data: Command) -> Channel | None:
        if state.conversation is None or not isinstance(data, ConversationDelete | MessageSend):
            return None
        return self.channels.get((data.account_id, state.conversation.channel_id))

    def _latest(self, key: ConversationKey) -> tuple[NoteMessage, ...]:
        messages = sorted(self._messages_of(key), key=lambda one: (one.sent_at, one.version))
        return tuple(note_message(message) for message in messages[-FIRST_MESSAGES_MAX:])

    def _messages_of(self, key: ConversationKey) -> list[Message]:
        return [m for m in self.messages.values() if (m.account_id, m.conversation_id) == key]

    def _load(self, key: ConversationKey, request: str | None = None) -> ConversationState:
        """Returns as much of a conversation state as a batch of one event would load."""
        conversation = self.conversations.get(key)
        if conversation is None:
            return ConversationState(tombstone=self.tombstones.get(key))
        answered = self.requests.get((key, request or ""))
        requests = {} if request is None or answered is None else {request: answered}
        return ConversationState(conversation, links=self.links.get(key, ()), requests=requests)

    def _save(self, key: ConversationKey, decision: Decision) -> None:
        after = decision.state
        if after.conversation is not None:
            self.conversations[key] = after.conversation
            self.links[key] = after.links
            self.requests |= {(key, name): answered for name, answered in after.requests.items()}
        elif after.tombstone is not None:
            self._delete(key, after.tombstone)
        if decision.message is not None:
            message = decision.message
            self.messages[message.account_id, message.message_id] = message

    def _delete(self, key: ConversationKey, tombstone: Tombstone) -> None:
        self.tombstones[key] = tombstone
        self.conversations.pop(key, None)
        self.links.pop(key, None)
        self.requests = {name: done for name, done in self.requests.items() if name[0] != key}
        for message in self._messages_of(key):
            message_key = (message.account_id, message.message_id)
            self.deleted.add(message_key)
            del self.messages[message_key]

    def _touched(self, data: NoteTouched) -> NoteEvent:
        key = (data.account_id, str(data.conversation_id))
        notes = [note_id for where, note_id in self.notes if where == key]
        struct = NoteDeleted if data.deleted else NoteEdited
        return struct(
            account_id=data.account_id,
            conversation_id=data.conversation_id,
            note_id=UUID(notes[-1 - data.back]) if data.back < len(notes) else UUID(int=data.back),
        )

    def _leave_alone(self, data: NoteEvent) -> None:
        key = (data.account_id, str(data.conversation_id))
        if key in self.links:
            self.links[key] = leave_alone(self.links[key], str(data.note_id))

    def _direct(self, data: UserEvent | ChannelEvent) -> None:
        if isinstance(data, ChannelEvent):
            channel_key = (data.account_id, data.channel_id)
            channel = decide_channel(self.channels.get(channel_key), data)
            if channel is not None:
                self.channels[channel_key] = channel
            return
        key = (data.account_id, data.user_id)
        user = decide_user(self.users.get(key), data)
        if user is None:
            self.users.pop(key, None)
        else:
            self.users[key] = user

    def _directory(self, account_id: AccountId) -> Directory:
        users = {user.user_id: user for key, user in self.users.items() if key[0] == account_id}
        return Directory(account_id, 0, users)


def played(history: Iterable[tuple[timedelta, Event]]) -> Inbox:
    """Returns an inbox after a history: events, each with the time since the one before it."""
    inbox, now = Inbox(), NOON
    for gap, event in history:
        now += gap
        inbox.apply(event, now)
    return inbox


def emitted(inbox: Inbox) -> list[Emitted]:
    """Returns all events that were emitted, in order."""
    return [item.data for applied in inbox.applied for item in applied.outgoing]


def wants_to_be_seen(data: MessageRecorded) -> bool:
    """Whether it is a contact's message, and not historical."""
    return data.direction == "inbound" and not data.historical
