"""What a decision consists of: messages to record, events to emit."""

from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct

from domain.conversation import Conversation
from schemas.conversations import ConversationEvent, Reason
from schemas.fields import AccountId, ConversationId, Direction, Emitted, MessageId
from schemas.ids import emitted_event_id
from schemas.message_context import MessageContext
from schemas.messages import Media


class Message(Struct, frozen=True, kw_only=True):
    """A message to record."""

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
    """The version of its conversation that records it."""
    context: MessageContext | None = None
    """What it is about beside its text."""


class Outgoing(NamedTuple):
    """An event to emit about a conversation."""

    event_id: str
    cause_id: str
    """The id of the event that caused it."""
    data: Emitted


def caused_by(cause_id: str, data: Emitted) -> Outgoing:
    """Returns an event to emit, with its derived id.

    The id is unique as long as a cause emits one event of this type at a version of a conversation.
    """
    event_id = emitted_event_id(
        cause_id, data.account_id, data.conversation_id, data.TYPE, data.version
    )
    return Outgoing(event_id, cause_id, data)


def event_without_actor(
    event: type[ConversationEvent],
    before: Conversation,
    after: Conversation,
    reason: Reason,
    cause_id: str,
    **fields: Any,
) -> Outgoing:
    """Returns the event of a change that no user asked for. `fields` are those of its own."""
    made = event(
        account_id=after.account_id,
        conversation_id=after.conversation_id,
        version=after.version,
        before=before.snapshot,
        after=after.snapshot,
        actor_id=None,
        reason=reason,
        **fields,
    )
    return caused_by(cause_id, made)
