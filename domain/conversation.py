"""A conversation, the events of the log that change it, and how to fold them.

    (nothing) ── first message ──> open <── reopen, new message ── closed
        ^                           ├────────────── close ──────────^
        └───────── delete ──────────┴─ (of a closed one too)

Every change raises `version` by one and is exactly one event, so the log is complete: `fold`
rebuilds from its events what the tables hold.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.conversations import ConversationEvent, MessageRecorded, Snapshot
from schemas.fields import AccountId, ChannelId, ConversationId, Direction, Status

Section = Literal["unassigned", "assigned_to_me", "assigned_to_others", "closed"]


class Conversation(Struct, frozen=True):
    """The one conversation between a channel and a contact."""

    account_id: AccountId
    conversation_id: ConversationId
    channel_id: ChannelId
    contact_address: str
    contact_name: str | None = None
    status: Status = "open"
    assignee_id: str | None = None
    version: int = 0
    """The number of changes so far; 0 before the first."""
    message_count: int = 0
    last_message_at: datetime | None = None
    """The newest `sent_at`."""
    last_inbound_at: datetime | None = None
    """When the contact's newest message was recorded, by our clock. Historical messages do not
    count."""
    closed_at: datetime | None = None
    link_count: int = 0
    erased_until: datetime | None = None
    """When it was last deleted, if it started afresh since then."""
    window_until: datetime | None = None
    """Until when a free text may be sent; None where the provider has no window."""
    window_watched: bool = False
    """Whether users will be warned before the window closes."""
    last_direction: Direction | None = None
    """The direction of the last message. Historical messages do not count."""
    merged_into: ConversationId | None = None
    """The older conversation of the same contact, if this younger one was closed in favour of
    it."""
    created_at: datetime | None = None
    """When its first message was recorded; None only until then."""

    @property
    def snapshot(self) -> Snapshot:
        """The part of it that events carry."""
        return Snapshot(self.status, self.assignee_id)

    def section(self, user_id: str) -> Section:
        """Returns the one section in which this user sees the conversation."""
        return section_of(self.status, self.assignee_id, user_id)


def section_of(status: Status, assignee_id: str | None, user_id: str) -> Section:
    """Returns the one section in which a user sees a conversation with this status and assignee."""
    if status == "closed":
        return "closed"
    if assignee_id is None:
        return "unassigned"
    return "assigned_to_me" if assignee_id == user_id else "assigned_to_others"


class Tombstone(Struct, frozen=True):
    """What stays of a deleted conversation: nothing personal."""

    account_id: AccountId
    conversation_id: ConversationId
    deleted_at: datetime
    deleted_by: str
    version: int
    """The version of its last event. If the conversation starts afresh, its versions continue
    after this one."""


class Folded(Struct, frozen=True):
    """A conversation as a consumer knows it that reads nothing but the log."""

    version: int
    message_count: int
    snapshot: Snapshot | None


NOTHING = Folded(0, 0, None)


def fold(folded: Folded, event: ConversationEvent) -> Folded:
    """Returns the conversation after the next event of the log.

    Raises ValueError for an event that is not the next one: the consumer missed some.
    """
    if event.version != folded.version + 1:
        raise ValueError(f"version {event.version} after {folded.version}: events are missing")
    if event.before != folded.snapshot:
        raise ValueError(f"version {event.version} says before={event.before}, not the state")
    count = folded.message_count + isinstance(event, MessageRecorded) if event.after else 0
    return Folded(event.version, count, event.after)
