"""What the peers read and tell: plain typed structs, decoded and encoded in one step each."""

from datetime import datetime

import msgspec
from msgspec import Struct

from bench.load.load import USERS
from schemas.notifications import PREVIEW_CHARACTERS_MAX


class Contact(Struct):
    """Who wrote."""

    address: str
    name: str | None = None


class Message(Struct):
    """A contact's message."""

    account_id: str
    channel_id: str
    provider_message_id: str
    contact: Contact
    body: str
    sent_at: datetime
    media: tuple[dict[str, str], ...] = ()


class Received(Struct):
    """The event that a message comes in; what else is in it is skipped."""

    data: Message


class Recipient(Struct):
    """A user who is told."""

    user_id: str
    media: tuple[str, ...] = ("desktop", "email")


class Notification(Struct):
    """Who is to be told of a message: one event names all users of the account."""

    account_id: str
    conversation_id: str
    message_id: str
    preview: str
    contact_name: str | None
    inbox_url: str
    recipients: tuple[Recipient, ...]


_RECIPIENTS = tuple(Recipient(user) for user in USERS)
"""Given, not looked up: the peers keep no directory."""

_decode = msgspec.json.Decoder(Received).decode
_encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Message:
    """The message of a record."""
    return _decode(value).data


def notification(message: Message, conversation_id: str) -> bytes:
    """The record that tells of a message."""
    return _encode(
        Notification(
            account_id=message.account_id,
            conversation_id=conversation_id,
            message_id=message.provider_message_id,
            preview=message.body[:PREVIEW_CHARACTERS_MAX],
            contact_name=message.contact.name,
            inbox_url=f"https://inbox.example/conversations/{conversation_id}",
            recipients=_RECIPIENTS,
        )
    )


def media_json(message: Message) -> str:
    """The files of a message as a `jsonb` column takes them."""
    return _encode(message.media).decode() if message.media else "[]"
