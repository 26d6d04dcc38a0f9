"""Makes events as other services publish them, with short calls."""

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from schemas import ids
from schemas.catalog import TOPIC_OF
from schemas.fields import AccountId, ChannelId

ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("wa1")

_numbers = itertools.count(1)


class Event(NamedTuple):
    """An event to be published: its topic, key and bytes."""

    topic: str
    """Without the prefix."""
    key: str
    value: bytes


def conversation(contact: str, account: str = ACCOUNT, channel: str = CHANNEL) -> str:
    """Returns the id of a contact's conversation."""
    return ids.conversation_id(AccountId(account), ChannelId(channel), contact)


def event(type_: str, data: dict[str, Any], *, key: str, **attributes: Any) -> Event:
    """Returns a CloudEvent. `type_` lacks `inbox.` and `.v1`; `id` and `time` are optional."""
    full = f"inbox.{type_}.v1"
    envelope = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/tests",
        "type": full,
        "time": datetime.now(UTC),
        "data": data,
    } | attributes
    return Event(TOPIC_OF[full], key, msgspec.json.encode(envelope))


def message(contact: str, body: str = "Hello", **fields: Any) -> Event:
    """Returns a contact's message. Fields such as `provider_message_id` are optional."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": f"SM{next(_numbers):032d}",
        "contact": {"address": contact, "name": "Ana"},
        "body": body,
        "sent_at": "2026-01-01T12:00:00Z",
    } | fields
    key = conversation(contact, data["account_id"], data["channel_id"])
    return event("message.received", data, key=key)


def command(type_: str, contact: str, actor: str, **fields: Any) -> Event:
    """Returns a command on a contact's conversation. `id` and `time` are those of the CloudEvent.

    A type without a dot, such as `close`, is short for `conversation.close`.
    """
    attributes = {name: fields.pop(name) for name in ("id", "time") if name in fields}
    account = fields.pop("account_id", ACCOUNT)
    key = conversation(contact)
    data = {"account_id": account, "conversation_id": key, "actor_id": actor} | fields
    full = type_ if "." in type_ else f"conversation.{type_}"
    return event(full, data, key=key, **attributes)


def link(contact: str, entity: str, actor: str = "ana", **fields: Any) -> Event:
    """Returns a link to an entity, which is written as `deal:d1`. `request_id` is optional."""
    return command("link", contact, actor, entity=_entity(entity), **fields)


def unlink(contact: str, entity: str, actor: str = "ana", **fields: Any) -> Event:
    """Returns the removal of a link."""
    return command("unlink", contact, actor, entity=_entity(entity), **fields)


def _entity(entity: str) -> dict[str, str]:
    kind, _, id_ = entity.partition(":")
    return {"type": kind, "id": id_}


def note_changed(change: str, contact: str, note_id: str) -> Event:
    """Returns the CRM's report that a note was `edited` or `deleted`."""
    key = conversation(contact)
    data = {"account_id": ACCOUNT, "conversation_id": key, "note_id": note_id}
    return event(f"note.{change}", data, key=key)


def reply(contact: str, body: str, actor: str = "ana", **fields: Any) -> Event:
    """Returns a user's reply. `time` is the time at which it was written."""
    return command("message.send", contact, actor, body=body, **fields)


def user(user_id: str, *, account: str = ACCOUNT, inbox_access: bool = True) -> Event:
    """Returns a user of an account."""
    data = {
        "account_id": account,
        "user_id": user_id,
        "name": user_id.title(),
        "email": f"{user_id}@example.com",
        "inbox_access": inbox_access,
    }
    return event("user.upserted", data, key=account)


def channel(
    address: str, installed_by: str = "ana", channel_id: str = CHANNEL, **fields: Any
) -> Event:
    """Returns an installed channel. `fields` are further ones of its data."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": channel_id,
        "provider": "whatsapp",
        "address": address,
        "name": "Sales",
        "installed_by": installed_by,
    } | fields
    return event("channel.installed", data, key=ACCOUNT)
