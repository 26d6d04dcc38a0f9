"""Notes in the CRM: what the CRM says of them, and what the system wants written."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import Direction, Emitted, EventData, User
from schemas.links import Entity
from schemas.messages import Media


class NoteEdited(EventData, frozen=True, kw_only=True):
    """Somebody edited a note in the CRM; it is never touched again."""

    TYPE = "inbox.note.edited.v1"

    conversation_id: UUID
    note_id: UUID
    actor_id: User | None = None


class NoteDeleted(EventData, frozen=True, kw_only=True):
    """Somebody deleted a note in the CRM; it is never touched again."""

    TYPE = "inbox.note.deleted.v1"

    conversation_id: UUID
    note_id: UUID
    actor_id: User | None = None


class Assignee(Struct, frozen=True):
    """The user whom a conversation is assigned to, as a note shows them."""

    user_id: str
    name: str


class NoteMessage(Struct, frozen=True):
    """A message as a note shows it."""

    message_id: str
    direction: Direction
    sender_name: str | None
    sender_address: str
    sent_at: datetime
    body: str
    media: tuple[Media, ...]


class _Note(Emitted, frozen=True, kw_only=True):
    note_id: str
    revision: int
    """1 for `note.created`, one more for each `note.appended`."""
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    assignee: Assignee | None
    inbox_url: str
    messages: tuple[NoteMessage, ...]
    """In order of time; only the new ones when appended."""


class NoteCreated(_Note, frozen=True, kw_only=True):
    """A note starts on an entity."""

    TYPE = "inbox.note.created.v1"

    continues: str | UnsetType = UNSET
    """The earlier note of the same 24 hours that is full, which this one goes on from."""


class NoteAppended(_Note, frozen=True, kw_only=True):
    """Messages joined a note."""

    TYPE = "inbox.note.appended.v1"
