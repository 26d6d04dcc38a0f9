"""The log of the inbox: exactly one event for each version of each conversation."""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import Direction, Emitted, Status
from schemas.links import Entity, RequestedEntity

Reason = Literal["command", "inbound_message", "reply", "assignee_gone"]


class Snapshot(Struct, frozen=True):
    """The part of a conversation that decides its section in the inbox."""

    status: Status
    assignee_id: str | None


class ConversationEvent(Emitted, frozen=True, kw_only=True):
    """Base of every event of the log: who changed what, and why."""

    before: Snapshot | None
    """Null if the conversation did not exist."""
    after: Snapshot | None
    """Null if the conversation no longer exists."""
    actor_id: str | None
    """The user; null if the contact or the system caused it."""
    reason: Reason


class ConversationCreated(ConversationEvent, frozen=True, kw_only=True):
    """A contact's first message opened a conversation."""

    TYPE = "inbox.conversation.created.v1"


class MessageRecorded(ConversationEvent, frozen=True, kw_only=True):
    """A message was recorded. Its text is not here, since the log is kept for ever."""

    TYPE = "inbox.conversation.message_recorded.v1"

    message_id: str
    provider_message_id: str | None
    direction: Direction
    sent_at: datetime
    historical: bool
    in_reply_to: str | UnsetType = UNSET
    """The provider's id of the message that it answers. The rest of a message's context may hold
    words of the contact, and is not here."""


class ConversationAssigned(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was assigned, or reassigned, to a user."""

    TYPE = "inbox.conversation.assigned.v1"


class ConversationUnassigned(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was unassigned."""

    TYPE = "inbox.conversation.unassigned.v1"


class ConversationClosed(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was closed."""

    TYPE = "inbox.conversation.closed.v1"

    merged_into: str | UnsetType = UNSET
    """The older conversation of the same contact that goes on; set if the system closed this one in
    favour of it."""


class ConversationReopened(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was reopened, by a user or by its contact's new message."""

    TYPE = "inbox.conversation.reopened.v1"


class ConversationDeleted(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was deleted for good."""

    TYPE = "inbox.conversation.deleted.v1"


class ConversationLinked(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was linked to an entity."""

    TYPE = "inbox.conversation.linked.v1"

    entity: Entity


class ConversationUnlinked(ConversationEvent, frozen=True, kw_only=True):
    """A link was removed."""

    TYPE = "inbox.conversation.unlinked.v1"

    entity: Entity


class EntityRequested(ConversationEvent, frozen=True, kw_only=True):
    """The CRM is requested to create an entity; it answers by a link with the same `request_id`."""

    TYPE = "inbox.entity.requested.v1"

    entity: RequestedEntity
    request_id: str
