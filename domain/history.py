"""The history of a conversation: who assigned, closed, reopened and linked it, and why."""

from datetime import datetime
from typing import NamedTuple

from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationEvent,
    ConversationLinked,
    ConversationReopened,
    ConversationUnassigned,
    ConversationUnlinked,
    Reason,
)
from schemas.fields import AccountId, Emitted
from schemas.links import EntityType

_TYPES: dict[type[Emitted], str] = {
    ConversationAssigned: "assigned",
    ConversationUnassigned: "unassigned",
    ConversationClosed: "closed",
    ConversationReopened: "reopened",
    ConversationLinked: "linked",
    ConversationUnlinked: "unlinked",
}


class HistoryEntry(NamedTuple):
    """One change of a conversation. The fields stand in the order of the columns of `history`."""

    account_id: AccountId
    conversation_id: str
    version: int
    """The version that the change made."""
    type: str
    """What was done, such as `assigned`."""
    at: datetime
    """When it was applied, by the database's clock."""
    actor_id: str | None
    """The user who did it; None if the contact or the system did."""
    reason: Reason
    assignee_id: str | None
    """The assignee from then on."""
    entity_type: EntityType | None
    """The entity that was linked or unlinked."""
    entity_id: str | None


def history_entry(event: Emitted, at: datetime) -> HistoryEntry | None:
    """Returns the entry of an event, applied at a time; None if the history does not hold it."""
    type_ = _TYPES.get(type(event))
    if type_ is None:
        return None
    assert isinstance(event, ConversationEvent)
    entity = event.entity if isinstance(event, ConversationLinked | ConversationUnlinked) else None
    return HistoryEntry(
        account_id=event.account_id,
        conversation_id=event.conversation_id,
        version=event.version,
        type=type_,
        at=at,
        actor_id=event.actor_id,
        reason=event.reason,
        assignee_id=event.after.assignee_id if event.after is not None else None,
        entity_type=entity.type if entity is not None else None,
        entity_id=entity.id if entity is not None else None,
    )
