"""Sample users, conversations and decoded events, and filters of the events that rules emit."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.conversation import Conversation
from domain.conversation_state import Decision
from domain.directory import Channel, Directory, User
from domain.notes import Link, Note
from domain.outgoing import Outgoing
from schemas import ids
from schemas.cloudevents import Incoming
from schemas.commands import (
    CommandAccepted,
    CommandRejected,
    ConversationAssign,
    ConversationClose,
    ConversationDelete,
    ConversationReopen,
)
from schemas.conversations import ConversationClosed, ConversationEvent
from schemas.fields import AccountId, ChannelId, Command, ConversationId, UserId
from schemas.links import (
    ConversationLink,
    ConversationUnlink,
    Entity,
    EntityRequest,
    RequestedEntity,
)
from schemas.messages import Contact, MessageReceived, MessageSend
from schemas.notes import NoteAppended, NoteCreated, NoteMessage
from schemas.notifications import NotificationRequested

ACCOUNT, CHANNEL, ADDRESS = AccountId("acme"), ChannelId("wa1"), "whatsapp:+4911"
CONVERSATION = ids.conversation_id(ACCOUNT, CHANNEL, ADDRESS)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
APP_URL = "https://inbox.example.com"


def user(user_id: str, **fields: Any) -> User:
    """Returns a known, available user with inbox access and the settings of a new user."""
    known: dict[str, Any] = {
        "name": user_id.title(),
        "email": f"{user_id}@example.com",
        "inbox_access": True,
    }
    return User(account_id=ACCOUNT, user_id=UserId(user_id), **(known | fields))


def directory(*users: User | str) -> Directory:
    """Returns a directory of users; a text stands for the usual user with this id."""
    all_of = [item if isinstance(item, User) else user(item) for item in users]
    return Directory(ACCOUNT, 1, {item.user_id: item for item in all_of})


def channel(**fields: Any) -> Channel:
    """Returns the channel of the usual conversation, installed by Ana."""
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider": "whatsapp",
        "address": "whatsapp:+1",
        "name": "Sales",
        "installed_by": UserId("ana"),
    }
    return Channel(**(usual | fields))


def entity(name: str = "deal:1") -> Entity:
    """Returns an entity; the name is its type and its id."""
    type_, _, id_ = name.partition(":")
    return msgspec.convert({"type": type_, "id": id_}, Entity)


def linked(name: str = "deal:1", **fields: Any) -> Link:
    """Returns a link made at noon, whose newest note has one message of five characters."""
    usual: dict[str, Any] = {
        "note_id": f"note of {name}",
        "revision": 1,
        "starts_at": NOON,
        "message_count": 1,
        "character_count": 5,
    }
    return Link(entity(name), NOON, Note(**(usual | fields)))


def shown(message_id: str = "shown", **fields: Any) -> NoteMessage:
    """Returns a contact's message as a note shows it."""
    usual: dict[str, Any] = {
        "message_id": message_id,
        "direction": "inbound",
        "sender_name": "Ana",
        "sender_address": ADDRESS,
        "sent_at": NOON,
        "body": "Hello",
        "media": (),
    }
    return NoteMessage(**(usual | fields))


def conversation(**fields: Any) -> Conversation:
    """Returns an open, unassigned conversation with one message, recorded at noon."""
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "channel_id": CHANNEL,
        "contact_address": ADDRESS,
        "contact_name": "Ana",
        "version": 2,
        "message_count": 1,
        "last_message_at": NOON,
        "last_inbound_at": NOON,
        "window_until": NOON + 24 * HOUR,
        "window_watched": True,
        "last_direction": "inbound",
        "created_at": NOON,
    }
    return Conversation(**(usual | fields))


def message(
    *,
    event_id: str = "m1",
    address: str = ADDRESS,
    name: str | None = "Ana",
    account_id: str = ACCOUNT,
    **fields: Any,
) -> Incoming[MessageReceived]:
    """Returns a contact's message."""
    usual: dict[str, Any] = {
        "account_id": AccountId(account_id),
        "channel_id": CHANNEL,
        "provider_message_id": "SM1",
        "contact": Contact(address, name),
        "body": "Hello",
        "sent_at": NOON,
    }
    data = MessageReceived(**(usual | fields))
    return Incoming(event_id, data.TYPE, data.sent_at, data)


def _command(struct: type[Command], fields: dict[str, Any]) -> Incoming[Any]:
    event_id, time = fields.pop("event_id", "c1"), fields.pop("time", NOON)
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "actor_id": UserId("ana"),
    }
    values = usual | fields
    data = struct(**values | {"conversation_id": UUID(str(values["conversation_id"]))})
    return Incoming(event_id, data.TYPE, time, data)


def assign(assignee_id: str | None, **fields: Any) -> Incoming[ConversationAssign]:
    """A command to assign; `event_id` and `time` are the event's."""
    return _command(ConversationAssign, fields | {"assignee_id": assignee_id})


def close(**fields: Any) -> Incoming[ConversationClose]:
    """A command to close; `event_id` and `time` are the event's."""
    return _command(ConversationClose, fields)


def reopen(**fields: Any) -> Incoming[ConversationReopen]:
    """A command to reopen; `event_id` and `time` are the event's."""
    return _command(ConversationReopen, fields)


def delete(**fields: Any) -> Incoming[ConversationDelete]:
    """A command to delete; `event_id` and `time` are the event's."""
    return _command(ConversationDelete, fields)


def link(name: str = "deal:1", **fields: Any) -> Incoming[ConversationLink]:
    """A command to link; `event_id` and `time` are the event's."""
    return _command(ConversationLink, fields | {"entity": entity(name)})


def unlink(name: str = "deal:1", **fields: Any) -> Incoming[ConversationUnlink]:
    """A command to unlink; `event_id` and `time` are the event's."""
    return _command(ConversationUnlink, fields | {"entity": entity(name)})


def request(name: str = "Ana's deal", **fields: Any) -> Incoming[EntityRequest]:
    """A command to request a deal from the CRM; `event_id` and `time` are the event's."""
    return _command(EntityRequest, fields | {"entity": RequestedEntity("deal", name)})


def reply(body: str = "Hi", **fields: Any) -> Incoming[MessageSend]:
    """A user's reply; `event_id` and `time` are the event's."""
    return _command(MessageSend, fields | {"body": body})


def changes(outgoing: tuple[Outgoing, ...]) -> list[ConversationEvent]:
    """Returns the events for the log of the inbox."""
    return [item.data for item in outgoing if isinstance(item.data, ConversationEvent)]


def closed_events(outgoing: tuple[Outgoing, ...]) -> list[ConversationClosed]:
    """Returns the events of conversations that were closed."""
    return [item.data for item in outgoing if isinstance(item.data, ConversationClosed)]


def notes(outgoing: tuple[Outgoing, ...]) -> list[NoteCreated | NoteAppended]:
    """Returns the events for the CRM's notes."""
    return [item.data for item in outgoing if isinstance(item.data, NoteCreated | NoteAppended)]


def notified(outgoing: tuple[Outgoing, ...]) -> list[NotificationRequested]:
    """Returns the notifications."""
    return [item.data for item in outgoing if isinstance(item.data, NotificationRequested)]


def result(decision: Decision) -> CommandAccepted | CommandRejected:
    """Returns the one result of a command, which is the last event."""
    results = [
        item.data
        for item in decision.outgoing
        if isinstance(item.data, CommandAccepted | CommandRejected)
    ]
    assert len(results) == 1
    assert decision.outgoing[-1].data is results[0]
    return results[0]


def kinds(outgoing: tuple[Outgoing, ...]) -> list[str]:
    """Returns the types of the events, without `inbox.` and `.v1`."""
    return [item.data.TYPE.removeprefix("inbox.").removesuffix(".v1") for item in outgoing]


def other_account(state: Conversation) -> Conversation:
    """Returns the same conversation in another account."""
    return msgspec.structs.replace(state, account_id=AccountId("globex"))


def conversation_of(contact: str) -> ConversationId:
    """Returns the id of a contact's conversation."""
    return ids.conversation_id(ACCOUNT, CHANNEL, contact)
