"""Notes in the CRM: the CRM's reports about them, and the system's events to write them."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import Direction, Emitted, EventData, User
from schemas.links import Entity
from schemas.message_context import MessageContext
from schemas.messages import Media


class NoteEdited(EventData, frozen=True, kw_only=True):
    """Somebody edited a note in the CRM: the system never changes that note again."""

    TYPE = "inbox.note.edited.v1"

    conversation_id: UUID
    note_id: UUID
    actor_id: User | None = None


class NoteDeleted(EventData, frozen=True, kw_only=True):
    """Somebody deleted a note in the CRM: the system never changes that note again."""

    TYPE = "inbox.note.deleted.v1"

    conversation_id: UUID
    note_id: UUID
    actor_id: User | None = None


class Assignee(Struct, frozen=True):
    """The assignee of a conversation as a note shows them."""

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
    context: MessageContext | UnsetType = UNSET
    """What the message is about beside its text."""
    answered: str | UnsetType = UNSET
    """The first words of the message that it answers, if that is in the same conversation."""


class _Note(Emitted, frozen=True, kw_only=True):
    note_id: str
    revision: int
    """1 for `note.created`; each `note.appended` raises it by one."""
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    assignee: Assignee | None
    inbox_url: str
    messages: tuple[NoteMessage, ...]
    """In order of time; `note.appended` holds the new ones only."""


class NoteCreated(_Note, frozen=True, kw_only=True):
    """A note is to be created on an entity."""

    TYPE = "inbox.note.created.v1"

    continues: str | UnsetType = UNSET
    """The id of the earlier, full note of the same 24 hours that this one continues."""


class NoteAppended(_Note, frozen=True, kw_only=True):
    """Messages are to be appended to a note."""

    TYPE = "inbox.note.appended.v1"
