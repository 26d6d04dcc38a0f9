"""The events that benchmarks and fault runs publish: a directory, messages, and commands."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from schemas.catalog import TOPIC_OF
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id, inbound_message_id, uuid5_text

ACCOUNT, CHANNEL = AccountId("bench"), ChannelId("wa")
USERS = INSTALLER, _, LEAVER = ("ana", "bo", "cy")
ENTITIES = (("person", "p1"), ("lead", "l1"), ("deal", "d1"))
BODY = "Is the flat in the Lindenstrasse still free, and could we see it on Saturday? " * 2


class InputEvent(NamedTuple):
    """An event to be published."""

    topic: str
    """Without its prefix."""
    key: str
    value: bytes


def input_event(
    kind: str, data: dict[str, Any], key: str, event_id: str, time: datetime
) -> InputEvent:
    """Returns an event; `kind` is its type without `inbox.` and `.v1`."""
    type_ = f"inbox.{kind}.v1"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/bench",
        "type": type_,
        "time": time,
        "data": data,
    }
    return InputEvent(TOPIC_OF[type_], key, msgspec.json.encode(event))


def directory() -> Iterator[InputEvent]:
    """The account's channel, and its users, who are notified of its messages."""
    channel = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider": "whatsapp",
        "address": "whatsapp:+14155238886",
        "name": "Sales",
        "installed_by": INSTALLER,
    }
    yield input_event("channel.installed", channel, ACCOUNT, "channel", datetime.now(UTC))
    for user_id in USERS:
        yield user(user_id, f"user-{user_id}")


def user(user_id: str, event_id: str, *, inbox_access: bool = True) -> InputEvent:
    """A user who is new, or was changed."""
    data = {
        "account_id": ACCOUNT,
        "user_id": user_id,
        "name": user_id.title(),
        "email": f"{user_id}@example.com",
        "inbox_access": inbox_access,
    }
    return input_event("user.upserted", data, ACCOUNT, event_id, datetime.now(UTC))


def removal(user_id: str, event_id: str) -> InputEvent:
    """A user who was removed."""
    data = {"account_id": ACCOUNT, "user_id": user_id}
    return input_event("user.removed", data, ACCOUNT, event_id, datetime.now(UTC))


def message(
    provider_message_id: str, contact: str, sent_at: datetime, copy: str = "once"
) -> InputEvent:
    """A contact's message. Copies of one message differ in their event ids."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": provider_message_id,
        "contact": {"address": contact, "name": "Ana Müller"},
        "body": BODY,
        "sent_at": sent_at,
    }
    event_id = uuid5_text(f"{provider_message_id}/{copy}")
    return input_event("message.received", data, conversation_of(contact), event_id, sent_at)


def message_id(provider_message_id: str) -> str:
    """Returns the id with which a contact's message is recorded."""
    return inbound_message_id(ACCOUNT, CHANNEL, provider_message_id)


def conversation_of(contact: str) -> str:
    """Returns the id of a contact's conversation."""
    return conversation_id(ACCOUNT, CHANNEL, contact)


def command(
    kind: str,
    contact: str,
    command_id: str,
    issued_at: datetime,
    *,
    actor_id: str = INSTALLER,
    **fields: Any,
) -> InputEvent:
    """A user's command on a contact's conversation; `kind` is such as `conversation.close`."""
    key = conversation_of(contact)
    data = {"account_id": ACCOUNT, "conversation_id": key, "actor_id": actor_id} | fields
    return input_event(kind, data, key, command_id, issued_at)


def random_fields(chance: random.Random, kind: str) -> dict[str, Any]:
    """Returns the fields that a command needs besides, such as the assignee, chosen at random."""
    match kind:
        case "conversation.assign":
            return {"assignee_id": chance.choice((*USERS, None))}
        case "conversation.link" | "conversation.unlink":
            return {"entity": entity(*chance.choice(ENTITIES))}
    return {}


def entity(entity_type: str, entity_id: str) -> dict[str, str]:
    """Returns an entity as commands have it."""
    return {"type": entity_type, "id": entity_id}


def reply_bodies(number: int) -> tuple[str, ...]:
    """Returns texts to choose from: one of its own, one that is often sent, one of two parts."""
    return f"Reply {number}", "Thank you!", f"Reply {number} " * 200
