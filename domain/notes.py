"""The rolling note: which message goes into which note of a linked entity.

A link always has one newest note; only the newest one can still grow.

    link ──> note 1 ── message within its 24 hours ──> appended, revision + 1
               │
               ├── message later than that, or note left alone ──> a new note, which starts with it
               └── full ──> a note that continues it, within the same 24 hours

A message sent before the start of the newest note joins that note like any other. The last moment
of the 24 hours still belongs to them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain.conversation import Conversation
from domain.directory import Directory
from domain.graphemes import shorten
from domain.outgoing import Message, Outgoing
from schemas.ids import emitted_event_id, uuid5_text
from schemas.links import Entity
from schemas.message_context import context_bytes
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage

NOTE_SPAN = timedelta(hours=24)
"""How long after its start a note takes messages."""

FIRST_MESSAGES_MAX = 20
"""The first note of a link begins with the latest messages of the conversation, at most so many."""

MESSAGES_MAX = 500
"""A note with so many messages is full."""

CHARACTERS_MAX = 60_000
"""A note grows to at most so many characters. A single longer message gets a note of its own."""

NAME_CHARACTERS_MAX = 256
"""Longer names of senders are cut, so that 20 messages with their names fit into one record."""


class Note(Struct, frozen=True):
    """The newest note of a link: what is needed to decide where the next message goes."""

    note_id: str
    revision: int
    starts_at: datetime
    message_count: int
    character_count: int
    left_alone: bool = False
    """Whether somebody edited or deleted it in the CRM: then it is never changed again."""


class Link(Struct, frozen=True):
    """An entity of the CRM that a conversation is linked to."""

    entity: Entity
    linked_at: datetime
    """The time of the command."""
    note: Note


class NoteContext(NamedTuple):
    """What all notes have in common that one event creates or extends."""

    cause_id: str
    """The id of that event."""
    conversation: Conversation
    """The conversation after the event."""
    assignee: Assignee | None
    app_url: str


def note_context(
    cause_id: str, conversation: Conversation, directory: Directory, app_url: str
) -> NoteContext:
    """Returns the context of the notes of one event; `conversation` is as the event left it."""
    assignee, assignee_id = None, conversation.assignee_id
    if assignee_id is not None:
        user = directory.user(assignee_id)
        # A user who was just removed may still be the assignee, but has no name any more.
        assignee = Assignee(assignee_id, user.name if user and user.name else assignee_id)
    return NoteContext(cause_id, conversation, assignee, app_url)


def note_message(message: Message, answered: str | None = None) -> NoteMessage:
    """Returns a message that was just recorded as a note shows it.

    `answered` are the first words of the message that it answers.
    """
    return NoteMessage(
        message.message_id,
        message.direction,
        note_name(message.sender_name),
        message.sender_address,
        message.sent_at.astimezone(UTC),
        message.body,
        message.media,
        message.context or UNSET,
        answered or UNSET,
    )


def note_name(name: str | None) -> str | None:
    """Returns a sender's name as a note shows it."""
    return None if name is None else shorten(name, NAME_CHARACTERS_MAX)


def begin_notes(
    context: NoteContext, entity: Entity, linked_at: datetime, messages: Sequence[NoteMessage]
) -> tuple[Link, tuple[Outgoing, ...]]:
    """Returns a new link and the events of its first note.

    `messages` are the latest of the conversation, in order of time. If they do not fit into one
    note, more notes continue it.
    """
    starts_at = linked_at.astimezone(UTC)
    outgoing: list[Outgoing] = []
    continues: str | UnsetType = UNSET
    for number, part in enumerate(_filled(messages), start=1):
        note_id = _note_id(context.conversation, entity, number)
        note = Note(note_id, 1, starts_at, len(part), sum(map(_characters, part)))
        outgoing.append(_created(context, entity, note, part, continues))
        continues = note_id
    return Link(entity, starts_at, note), tuple(outgoing)


def join_notes(
    context: NoteContext, links: Iterable[Link], message: NoteMessage
) -> tuple[tuple[Link, ...], tuple[Outgoing, ...]]:
    """Returns the links after a new message, and for each link the event of its note."""
    joined = [_join(context, link, message) for link in links]
    return tuple(link for link, _ in joined), tuple(outgoing for _, outgoing in joined)


def _join(context: NoteContext, link: Link, message: NoteMessage) -> tuple[Link, Outgoing]:
    note, characters = link.note, _characters(message)
    if note.left_alone or message.sent_at > note.starts_at + NOTE_SPAN:
        starts_at, continues = message.sent_at, None
    elif _is_full(note.message_count, note.character_count, characters):
        starts_at, continues = note.starts_at, note.note_id
    else:
        note = Note(
            note.note_id,
            note.revision + 1,
            note.starts_at,
            note.message_count + 1,
            note.character_count + characters,
        )
        data = NoteAppended(**_event_fields(context, link.entity, note, (message,)))
        return Link(link.entity, link.linked_at, note), _caused(context, data)
    note = Note(_note_id(context.conversation, link.entity, 1), 1, starts_at, 1, characters)
    created = _created(context, link.entity, note, (message,), continues or UNSET)
    return Link(link.entity, link.linked_at, note), created


def leave_alone(links: Iterable[Link], note_id: str) -> tuple[Link, ...]:
    """Returns the links after the CRM reported that a note was edited or deleted.

    Only the newest note of a link is marked: older notes take no messages anyway.
    """
    return tuple(
        replace(link, note=replace(link.note, left_alone=True))
        if link.note.note_id == note_id
        else link
        for link in links
    )


def _filled(messages: Sequence[NoteMessage]) -> list[tuple[NoteMessage, ...]]:
    """Returns the messages of each note that they fill: at least one note, perhaps an empty one."""
    parts: list[list[NoteMessage]] = [[]]
    characters = 0
    for message in messages:
        more = _characters(message)
        if _is_full(len(parts[-1]), characters, more):
            parts.append([])
            characters = 0
        parts[-1].append(message)
        characters += more
    return [tuple(part) for part in parts]


def _is_full(message_count: int, character_count: int, more: int) -> bool:
    """Whether a note has no room for a message of `more` characters."""
    if message_count == 0:
        return False
    return message_count >= MESSAGES_MAX or character_count + more > CHARACTERS_MAX


def _characters(message: NoteMessage) -> int:
    """Returns what a message adds to its note: its text, its context, and its files."""
    files = sum(len(item.url) + len(item.content_type) for item in message.media)
    about = 0 if message.context is UNSET else context_bytes(message.context)
    return len(message.body) + len(message.answered or "") + about + files


def _note_id(conversation: Conversation, entity: Entity, number: int) -> str:
    """Returns the id of the `number`th note of an entity that one event starts, counted from 1.

    Versions continue after a deletion or an unlink, so no two notes ever get one id.
    """
    where = f"{conversation.account_id}/{conversation.conversation_id}"
    return uuid5_text(f"{where}/note/{entity.type}/{entity.id}/{conversation.version}/{number}")


def _created(
    context: NoteContext,
    entity: Entity,
    note: Note,
    messages: tuple[NoteMessage, ...],
    continues: str | UnsetType,
) -> Outgoing:
    fields = _event_fields(context, entity, note, messages)
    return _caused(context, NoteCreated(**fields, continues=continues))


def _event_fields(
    context: NoteContext, entity: Entity, note: Note, messages: tuple[NoteMessage, ...]
) -> dict[str, Any]:
    conversation = context.conversation
    return {
        "account_id": conversation.account_id,
        "conversation_id": conversation.conversation_id,
        "version": conversation.version,
        "note_id": note.note_id,
        "revision": note.revision,
        "entity": entity,
        "starts_at": note.starts_at,
        "ends_at": note.starts_at + NOTE_SPAN,
        "assignee": context.assignee,
        "inbox_url": f"{context.app_url}/conversations/{conversation.conversation_id}",
        "messages": messages,
    }


def _caused(context: NoteContext, data: NoteCreated | NoteAppended) -> Outgoing:
    event_id = emitted_event_id(
        context.cause_id,
        data.account_id,
        data.conversation_id,
        data.TYPE,
        data.version,
        part=data.note_id,
    )
    return Outgoing(event_id, context.cause_id, data)
