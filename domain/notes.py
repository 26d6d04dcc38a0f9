"""The rolling note: which message goes into which note of a linked entity.

A link always has one newest note; only that one can still grow.

    link ──> note 1 ── message within its 24 hours ──> appended, revision + 1
               │
               ├── message later than that, or note left alone ──> a new note, which starts with it
               └── full ──> a note that continues it, within the same 24 hours

A message from before the newest note's start joins it like any other. Within 24 hours means up
to the very end of them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain.conversation import Conversation
from domain.decision import Message, Outgoing
from domain.directory import Directory
from schemas.ids import emitted_event_id, uuid5_text
from schemas.links import Entity
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage

WINDOW = timedelta(hours=24)
"""How long after its start a note takes messages."""

FIRST_MESSAGES_MAX = 20
"""How many of the messages so far the first note of a link begins with."""

MESSAGES_MAX = 500
"""A note of so many messages is full."""

CHARACTERS_MAX = 60_000
"""A note grows to so many characters; a single message that is longer has a note of its own."""

NAME_CHARACTERS_MAX = 256
"""A longer name of a sender is cut: 20 messages with such names are to fit into one record."""


class Note(Struct, frozen=True):
    """The newest note of a link, as far as it decides where the next message goes."""

    note_id: str
    revision: int
    starts_at: datetime
    message_count: int
    character_count: int
    left_alone: bool = False
    """Whether somebody edited or deleted it in the CRM: it is never touched again."""


class Link(Struct, frozen=True):
    """An entity of the CRM that a conversation is linked to."""

    entity: Entity
    linked_at: datetime
    """The time of the command."""
    note: Note


class Occasion(NamedTuple):
    """What all notes say that one event changes."""

    cause_id: str
    conversation: Conversation
    """As it is after the event."""
    assignee: Assignee | None
    app_url: str


def occasion(
    cause_id: str, conversation: Conversation, directory: Directory, app_url: str
) -> Occasion:
    """The occasion of an event that left a conversation like this."""
    assignee, assignee_id = None, conversation.assignee_id
    if assignee_id is not None:
        user = directory.user(assignee_id)
        # One who was removed since is still the assignee, and has no name any more.
        assignee = Assignee(assignee_id, user.name if user and user.name else assignee_id)
    return Occasion(cause_id, conversation, assignee, app_url)


def note_message(message: Message) -> NoteMessage:
    """A message that was just recorded, as a note shows it."""
    return NoteMessage(
        message.message_id,
        message.direction,
        note_name(message.sender_name),
        message.sender_address,
        message.sent_at.astimezone(UTC),
        message.body,
        message.media,
    )


def note_name(name: str | None) -> str | None:
    """A sender's name as a note shows it."""
    if name is None or len(name) <= NAME_CHARACTERS_MAX:
        return name
    return name[: NAME_CHARACTERS_MAX - 1] + "…"


def begin_notes(
    about: Occasion, entity: Entity, linked_at: datetime, messages: Sequence[NoteMessage]
) -> tuple[Link, tuple[Outgoing, ...]]:
    """A link with its first note; notes that continue it when one cannot hold the messages.

    `messages` are the latest of the conversation, in order of time.
    """
    starts_at = linked_at.astimezone(UTC)
    outgoing: list[Outgoing] = []
    continues: str | UnsetType = UNSET
    for number, part in enumerate(_filled(messages), start=1):
        note_id = _note_id(about.conversation, entity, number)
        note = Note(note_id, 1, starts_at, len(part), sum(map(_characters, part)))
        outgoing.append(_created(about, entity, note, part, continues))
        continues = note_id
    return Link(entity, starts_at, note), tuple(outgoing)


def join_notes(
    about: Occasion, links: Iterable[Link], message: NoteMessage
) -> tuple[tuple[Link, ...], tuple[Outgoing, ...]]:
    """The links after a new message, and what it adds to the note of each."""
    joined = [_join(about, link, message) for link in links]
    return tuple(link for link, _ in joined), tuple(outgoing for _, outgoing in joined)


def _join(about: Occasion, link: Link, message: NoteMessage) -> tuple[Link, Outgoing]:
    note, characters = link.note, _characters(message)
    if note.left_alone or message.sent_at > note.starts_at + WINDOW:
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
        data = NoteAppended(**_said(about, link.entity, note, (message,)))
        return Link(link.entity, link.linked_at, note), _caused(about, data)
    note = Note(_note_id(about.conversation, link.entity, 1), 1, starts_at, 1, characters)
    created = _created(about, link.entity, note, (message,), continues or UNSET)
    return Link(link.entity, link.linked_at, note), created


def leave_alone(links: Iterable[Link], note_id: str) -> tuple[Link, ...]:
    """The links after the CRM told that a note was edited or deleted.

    One that is nobody's newest note takes no messages anyway.
    """
    return tuple(
        replace(link, note=replace(link.note, left_alone=True))
        if link.note.note_id == note_id
        else link
        for link in links
    )


def _filled(messages: Sequence[NoteMessage]) -> list[tuple[NoteMessage, ...]]:
    """The messages of each note that they fill: at least one, which may be empty."""
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
    if message_count == 0:
        return False
    return message_count >= MESSAGES_MAX or character_count + more > CHARACTERS_MAX


def _characters(message: NoteMessage) -> int:
    """What a message adds to its note: its text, and where its files are."""
    return len(message.body) + sum(len(item.url) + len(item.content_type) for item in message.media)


def _note_id(conversation: Conversation, entity: Entity, number: int) -> str:
    """One event starts at most one note of an entity, besides those that continue it.

    Versions go on when a conversation was deleted or unlinked, so no id ever comes again.
    """
    where = f"{conversation.account_id}/{conversation.conversation_id}"
    return uuid5_text(f"{where}/note/{entity.type}/{entity.id}/{conversation.version}/{number}")


def _created(
    about: Occasion,
    entity: Entity,
    note: Note,
    messages: tuple[NoteMessage, ...],
    continues: str | UnsetType,
) -> Outgoing:
    return _caused(about, NoteCreated(**_said(about, entity, note, messages), continues=continues))


def _said(
    about: Occasion, entity: Entity, note: Note, messages: tuple[NoteMessage, ...]
) -> dict[str, Any]:
    conversation = about.conversation
    return {
        "account_id": conversation.account_id,
        "conversation_id": conversation.conversation_id,
        "version": conversation.version,
        "note_id": note.note_id,
        "revision": note.revision,
        "entity": entity,
        "starts_at": note.starts_at,
        "ends_at": note.starts_at + WINDOW,
        "assignee": about.assignee,
        "inbox_url": f"{about.app_url}/conversations/{conversation.conversation_id}",
        "messages": messages,
    }


def _caused(about: Occasion, data: NoteCreated | NoteAppended) -> Outgoing:
    event_id = emitted_event_id(
        about.cause_id,
        data.account_id,
        data.conversation_id,
        data.TYPE,
        data.version,
        part=data.note_id,
    )
    return Outgoing(event_id, about.cause_id, data)
