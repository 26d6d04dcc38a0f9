"""The log of the inbox: one event for each version of each conversation."""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import Direction, Emitted, Status
from schemas.links import Entity, RequestedEntity

Reason = Literal["command", "inbound_message", "reply"]


class Snapshot(Struct, frozen=True):
    """What decides in which section of the inbox a conversation is."""

    status: Status
    assignee_id: str | None


class ConversationEvent(Emitted, frozen=True, kw_only=True):
    """What every event of the log says: who changed what, and why."""

    before: Snapshot | None
    """Null for a conversation that did not exist."""
    after: Snapshot | None
    """Null for a conversation that no longer exists."""
    actor_id: str | None
    """Null where the contact caused it."""
    reason: Reason


class ConversationCreated(ConversationEvent, frozen=True, kw_only=True):
    """A contact's first message opened a conversation."""

    TYPE = "inbox.conversation.created.v1"


class MessageRecorded(ConversationEvent, frozen=True, kw_only=True):
    """A message was recorded. Never its text: this log is kept for ever."""

    TYPE = "inbox.conversation.message_recorded.v1"

    message_id: str
    provider_message_id: str | None
    direction: Direction
    sent_at: datetime
    historical: bool


class ConversationAssigned(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was assigned, or reassigned, to a user."""

    TYPE = "inbox.conversation.assigned.v1"


class ConversationUnassigned(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was assigned to nobody."""

    TYPE = "inbox.conversation.unassigned.v1"


class ConversationClosed(ConversationEvent, frozen=True, kw_only=True):
    """A conversation was closed."""

    TYPE = "inbox.conversation.closed.v1"

    merged_into: str | UnsetType = UNSET
    """The older conversation of the same contact, in which it goes on; the system closed this."""


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
    """The CRM is asked to create an entity; its answer is a link with the same `request_id`."""

    TYPE = "inbox.entity.requested.v1"

    entity: RequestedEntity
    request_id: str
