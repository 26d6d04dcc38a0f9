"""What a rule answers: the next state, and what is to be said of it."""

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from domain.conversation import Conversation
from schemas.catalog import EventData, type_of
from schemas.conversations import ConversationEvent
from schemas.fields import AccountId, ConversationId, Direction, MessageId
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


class Outgoing(NamedTuple):
    """An event to be published about a conversation."""

    event_id: str
    cause_id: str
    data: EventData


class Decision(NamedTuple):
    """The answer of a rule to one event."""

    state: Conversation | None
    """The conversation afterwards; None where there is none."""
    outgoing: tuple[Outgoing, ...] = ()
    message: Message | None = None
    """The message to be recorded, if it is new."""


def log_event(cause_id: str, data: ConversationEvent) -> Outgoing:
    """An event of the conversation log, with its derived id."""
    event_id = emitted_event_id(cause_id, data.conversation_id, type_of(type(data)), data.version)
    return Outgoing(event_id, cause_id, data)
