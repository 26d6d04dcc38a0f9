"""The state of a conversation, the log events that change it, and how to fold them.

    (nothing) ── first message ──> open <── reopen, new message ── closed
        ^                           ├────────────── close ──────────^
        └───────── delete ──────────┴─ (of a closed one too)

Every change raises `version` by one and is exactly one event, so the log of events is the
state: `fold` rebuilds from the events what the tables hold.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.conversations import ConversationEvent, MessageRecorded, Snapshot
from schemas.fields import AccountId, ChannelId, ConversationId, Direction, Status

Section = Literal["unassigned", "assigned_to_me", "assigned_to_others", "closed"]


class Conversation(Struct, frozen=True):
    """The one thread between a channel and a contact."""

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
    """When the newest message of the contact that wants to be seen was recorded, by our clock."""
    closed_at: datetime | None = None
    link_count: int = 0
    erased_until: datetime | None = None
    """When it was last deleted, if it started afresh since."""
    window_until: datetime | None = None
    """Until when a free text may be sent; None where the provider has no window."""
    window_watched: bool = False
    """Whether somebody will be told before the window closes."""
    last_direction: Direction | None = None
    """Whose the last word is, historical messages aside."""
    merged_into: ConversationId | None = None
    """The older conversation of the same contact, for one closed as the younger of two."""
    created_at: datetime | None = None
    """When its first message was recorded; None only until then."""

    @property
    def snapshot(self) -> Snapshot:
        """What events say of the state."""
        return Snapshot(self.status, self.assignee_id)

    def section(self, user_id: str) -> Section:
        """The one section that the conversation is in, as this user sees it."""
        if self.status == "closed":
            return "closed"
        if self.assignee_id is None:
            return "unassigned"
        return "assigned_to_me" if self.assignee_id == user_id else "assigned_to_others"


class Tombstone(Struct, frozen=True):
    """What stays of a deleted conversation: nothing personal."""

    account_id: AccountId
    conversation_id: ConversationId
    deleted_at: datetime
    deleted_by: str
    version: int
    """The version of its last event; should it start afresh, it goes on from here."""


class Folded(Struct, frozen=True):
    """What a consumer of the log alone knows of a conversation."""

    version: int
    message_count: int
    snapshot: Snapshot | None


NOTHING = Folded(0, 0, None)


def fold(folded: Folded, event: ConversationEvent) -> Folded:
    """The next state of a consumer of the log. Raises ValueError when it missed something."""
    if event.version != folded.version + 1:
        raise ValueError(f"version {event.version} after {folded.version}: events are missing")
    if event.before != folded.snapshot:
        raise ValueError(f"version {event.version} says before={event.before}, not the state")
    count = folded.message_count + isinstance(event, MessageRecorded) if event.after else 0
    return Folded(event.version, count, event.after)
