"""What rules ask for: messages to be recorded, events to be published."""

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from schemas.fields import AccountId, ConversationId, Direction, Emitted, MessageId
from schemas.ids import emitted_event_id
from schemas.messages import Media


class Message(Struct, frozen=True, kw_only=True):
    """A message to be recorded."""

    account_id: AccountId
    conversation_id: ConversationId
    message_id: MessageId
    channel_id: str
    provider_message_id: str | None
    direction: Direction
    sender_name: str | None
    sender_address: str
    body: str
    media: tuple[Media, ...]
    sent_at: datetime
    historical: bool
    version: int
    """The version of its conversation that recorded it."""


class Outgoing(NamedTuple):
    """An event to be published about a conversation."""

    event_id: str
    cause_id: str
    data: Emitted


def caused_by(cause_id: str, data: Emitted) -> Outgoing:
    """The one event of its type that a cause has at a conversation's version, with its id."""
    event_id = emitted_event_id(
        cause_id, data.account_id, data.conversation_id, data.TYPE, data.version
    )
    return Outgoing(event_id, cause_id, data)
