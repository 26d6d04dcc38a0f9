"""The rules driven as the agents drive them, event by event, on tables of dicts and sets."""

from collections.abc import Iterable
from copy import copy
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

from msgspec.structs import replace

from domain.commands import decide_command
from domain.conversation import Conversation, Tombstone
from domain.decision import Message, Outgoing
from domain.directory import (
    Channel,
    ChannelEvent,
    Directory,
    User,
    UserEvent,
    decide_channel,
    decide_user,
)
from domain.linking import request_id
from domain.messages import decide_message, identify, is_erased
from domain.notes import FIRST_MESSAGES_MAX, Link, leave_alone, note_message
from domain.thread import Decision, Thread
from schemas.cloudevents import Incoming
from schemas.commands import ConversationDelete
from schemas.conversations import MessageRecorded
from schemas.fields import AccountId, ChannelId, Command, Emitted, EventData, UserId
from schemas.ids import reply_message_id
from schemas.links import ConversationLink
from schemas.messages import MessageReceived, MessageSend
from schemas.notes import NoteCreated, NoteDeleted, NoteEdited, NoteMessage
from tests.unit.domain.given.events import APP_URL, NOON

ConversationKey = tuple[AccountId, str]
MessageKey = tuple[AccountId, str]
Event = Incoming[Any]
NoteChanged = NoteEdited | NoteDeleted


class NoteTouched(EventData, frozen=True, kw_only=True):
    """A note was edited or deleted in the CRM: which one is known when the history comes to it."""

    TYPE = "a note was touched"

    conversation_id: UUID
    deleted: bool
    back: int
    """How many notes of the conversation are newer; a note that never was if there are fewer."""


class Said(NamedTuple):
    """An event of a history, when it was applied, and what was said of it."""

    event: Event
    now: datetime
    outgoing: tuple[Outgoing, ...]


class Inbox:
    """All that the tables hold, and every note that was written."""

    def __init__(self) -> None:
        self.users: dict[tuple[AccountId, UserId], User] = {}
        self.channels: dict[tuple[AccountId, ChannelId], Channel] = {}
        self.conversations: dict[ConversationKey, Conversation] = {}
        self.tombstones: dict[ConversationKey, Tombstone] = {}
        self.links: dict[ConversationKey, tuple[Link, ...]] = {}
        self.requests: dict[tuple[ConversationKey, str], bool] = {}
        self.messages: dict[MessageKey, Message] = {}
        self.deleted: set[MessageKey] = set()
        self.applied: set[tuple[AccountId, str]] = set()
        self.notes: tuple[tuple[ConversationKey, str], ...] = ()
        self.said: list[Said] = []

    def copy(self) -> Self:
        """Another inbox in the same state."""
        other = copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    @property
    def state(self) -> dict[str, Any]:
        """Everything but what was said."""
        return {name: copy(value) for name, value in vars(self).items() if name != "said"}

    def apply(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        """Apply an event as the agent of its topic would."""
        if isinstance(event.data, NoteTouched):
            event = replace(event, data=self._touched(event.data))
        data, outgoing = event.data, tuple[Outgoing, ...]()
        if isinstance(data, NoteChanged):
            self._leave_alone(data)
        elif isinstance(data, MessageReceived):
            outgoing = self._record(event, now)
        elif isinstance(data, Command):
            outgoing = self._command(event, now)
        else:
            self._direct(data)
        for item in outgoing:
            if isinstance(item.data, NoteCreated):
                key = (item.data.account_id, item.data.conversation_id)
                self.notes += ((key, item.data.note_id),)
        self.said.append(Said(event, now, outgoing))
        return outgoing

    def _record(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        account_id = event.data.account_id
        conversation_key, message_id = identify(event.data)
        message_key = (account_id, message_id)
        thread = self._load((account_id, conversation_key))
        if self._is_known(message_key) or is_erased(thread, event.data):
            return ()
        decision = decide_message(thread, event, now, self._directory(account_id), APP_URL)
        self._save((account_id, conversation_key), decision)
        return decision.outgoing

    def _command(self, event: Event, now: datetime) -> tuple[Outgoing, ...]:
        data, account_id = event.data, event.data.account_id
        reply = (account_id, reply_message_id(account_id, event.id))
        is_sent = isinstance(data, MessageSend) and self._is_known(reply)
        if (account_id, event.id) in self.applied or is_sent:
            return ()
        self.applied.add((account_id, event.id))
        key = (account_id, str(data.conversation_id))
        thread = self._load(key, request_id(event))
        decision = decide_command(
            thread,
            event,
            now,
            self._directory(account_id),
            APP_URL,
            channel=self._channel(thread, data),
            latest=self._latest(key) if isinstance(data, ConversationLink) else (),
        )
        self._save(key, decision)
        return decision.outgoing

    def _is_known(self, key: MessageKey) -> bool:
        """Whether a message is recorded, or was deleted lately."""
        return key in self.messages or key in self.deleted

    def _channel(self, thread: Thread, data: Command) -> Channel | None:
        if thread.conversation is None or not isinstance(data, ConversationDelete | MessageSend):
            return None
        return self.channels.get((data.account_id, thread.conversation.channel_id))

    def _latest(self, key: ConversationKey) -> tuple[NoteMessage, ...]:
        messages = sorted(self._messages_of(key), key=lambda one: (one.sent_at, one.version))
        return tuple(note_message(message) for message in messages[-FIRST_MESSAGES_MAX:])

    def _messages_of(self, key: ConversationKey) -> list[Message]:
        return [m for m in self.messages.values() if (m.account_id, m.conversation_id) == key]

    def _load(self, key: ConversationKey, request: str | None = None) -> Thread:
        """As much of a thread as a batch of this one event would load."""
        conversation = self.conversations.get(key)
        if conversation is None:
            return Thread(tombstone=self.tombstones.get(key))
        answered = self.requests.get((key, request or ""))
        requests = {} if request is None or answered is None else {request: answered}
        return Thread(conversation, links=self.links.get(key, ()), requests=requests)

    def _save(self, key: ConversationKey, decision: Decision) -> None:
        after = decision.thread
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

    def _touched(self, data: NoteTouched) -> NoteChanged:
        key = (data.account_id, str(data.conversation_id))
        notes = [note_id for where, note_id in self.notes if where == key]
        struct = NoteDeleted if data.deleted else NoteEdited
        return struct(
            account_id=data.account_id,
            conversation_id=data.conversation_id,
            note_id=UUID(notes[-1 - data.back]) if data.back < len(notes) else UUID(int=data.back),
        )

    def _leave_alone(self, data: NoteChanged) -> None:
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
    """An inbox after a history; each event comes some time after the one before, or at once."""
    inbox, now = Inbox(), NOON
    for gap, event in history:
        now += gap
        inbox.apply(event, now)
    return inbox


def emitted(inbox: Inbox) -> list[Emitted]:
    """All that was said, in its order."""
    return [item.data for said in inbox.said for item in said.outgoing]


def wants_to_be_seen(data: MessageRecorded) -> bool:
    """A contact's message that is no import."""
    return data.direction == "inbound" and not data.historical
