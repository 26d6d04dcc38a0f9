"""The messages that peers read, and the notifications that they publish, as typed structs."""

from datetime import datetime

import msgspec
from msgspec import Struct

from bench.load.input_events import USERS
from schemas.notifications import PREVIEW_CHARACTERS_MAX


class Contact(Struct):
    """The contact who wrote a message."""

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
    """The event of a message; its other fields are skipped."""

    data: Message


class Recipient(Struct):
    """A user who is notified."""

    user_id: str
    media: tuple[str, ...] = ("desktop", "email")


class Notification(Struct):
    """The notification of a message: one event has all users of the account."""

    account_id: str
    conversation_id: str
    message_id: str
    preview: str
    contact_name: str | None
    inbox_url: str
    recipients: tuple[Recipient, ...]


_RECIPIENTS = tuple(Recipient(user) for user in USERS)
"""Always the same users: the peers keep no directory."""

_decode = msgspec.json.Decoder(Received).decode
_encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Message:
    """Decode the message of a record."""
    return _decode(value).data


def notification(message: Message, conversation_id: str) -> bytes:
    """Encode the notification of a message."""
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
    """Encode the files of a message for a `jsonb` column."""
    return _encode(message.media).decode() if message.media else "[]"
