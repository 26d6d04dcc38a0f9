"""A note as the CRM shows it: its events folded into one, and that as plain text.

Contacts write what notes show, so nothing of it may pass for what the note itself says.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType

from schemas.links import Entity
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage

_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for newline and tab; what overrides, embeds or isolates a direction."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# Three depths, so that each line shows what it is whatever a contact wrote into it.
_FILE_INDENT = "  "
_BODY_INDENT = "    "


class ShownNote(Struct, frozen=True, kw_only=True):
    """A note after its newest event; msgspec writes it and reads it back, for keeping it."""

    note_id: str
    revision: int
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    assignee: Assignee | None
    inbox_url: str
    continues: str | UnsetType = UNSET
    """The earlier note that was full."""
    messages: tuple[NoteMessage, ...]
    """All so far, in order of time; those of one time as they came."""


def fold(note: ShownNote | None, event: NoteCreated | NoteAppended) -> ShownNote:
    """The note after its next event; `note` is None before the first.

    Raises ValueError for an event of another note, or one that is not the next: a repeat, or one
    before which another is missing.
    """
    if note is None:
        if not isinstance(event, NoteCreated) or event.revision != 1:
            raise _not_next(event, 1)
        continues: str | UnsetType = event.continues
        earlier: tuple[NoteMessage, ...] = ()
    else:
        if event.note_id != note.note_id:
            raise ValueError(f"an event of note {event.note_id}, not of note {note.note_id}")
        if isinstance(event, NoteCreated) or event.revision != note.revision + 1:
            raise _not_next(event, note.revision + 1)
        continues, earlier = note.continues, note.messages
    return ShownNote(
        note_id=event.note_id,
        revision=event.revision,
        entity=event.entity,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        assignee=event.assignee,
        inbox_url=event.inbox_url,
        continues=continues,
        # Late messages take their place in time; sorting keeps equal times as they came.
        messages=tuple(sorted((*earlier, *event.messages), key=lambda each: each.sent_at)),
    )


def _not_next(event: NoteCreated | NoteAppended, revision: int) -> ValueError:
    kind = "created" if isinstance(event, NoteCreated) else "appended"
    return ValueError(
        f"note {event.note_id}: {kind} with revision {event.revision}, where {revision} is next"
    )


def as_text(note: ShownNote) -> str:
    """The whole note as plain text.

    Only the head and the messages' headings begin at the start of a line.
    """
    first = "\n".join([*head(note), f"Conversation: {one_line(note.inbox_url)}"])
    return "\n\n".join([first, messages_as_text(note.messages)]) if note.messages else first


def messages_as_text(messages: Iterable[NoteMessage]) -> str:
    """Messages alone as plain text, such as the new ones of one event."""
    return "\n\n".join(map(_message_as_text, messages))


def _message_as_text(message: NoteMessage) -> str:
    lines = [heading(message)]
    if body := clean(message.body):
        lines += [_BODY_INDENT + line if line else "" for line in body.split("\n")]
    for file in message.media:
        what, url = one_line(file.content_type), one_line(file.url)
        lines.append(f"{_FILE_INDENT}Attached {what}: {url}")
    return "\n".join(lines)


def head(note: ShownNote) -> list[str]:
    """What the note says of itself, a line each, but for the link to its conversation."""
    lines = [f"Note on {one_line(note.entity.type)} {one_line(note.entity.id)}"]
    if note.assignee is None:
        lines.append("Unassigned")
    else:
        name = one_line(note.assignee.name) or one_line(note.assignee.user_id)
        lines.append(f"Assigned to {name}")
    lines.append(f"The 24 hours from {_time(note.starts_at)} to {_time(note.ends_at)}")
    if note.continues is not UNSET:
        lines.append("Continues an earlier note")
    return lines


def heading(message: NoteMessage) -> str:
    """One line: when it was sent, by whom, and which way it went."""
    # A word on either side of the name keeps it in its place where it runs from right to left,
    # and what says who wrote stands before it, where no name can pretend otherwise.
    name, address = one_line(message.sender_name or ""), one_line(message.sender_address)
    sender = f"{name} at {address}" if name else address
    if message.direction == "inbound":
        return f"{_time(message.sent_at)}, contact {sender} wrote to the inbox:"
    return f"{_time(message.sent_at)}, reply by {sender} to the contact:"


def clean(text: str) -> str:
    """A text that may be shown: its lines end in newlines, and nothing steers what is around it.

    Marks that only give themselves a direction, as Arabic and Hebrew need them, are kept.
    """
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _LINE_BREAK.sub("\n", text)))


def one_line(text: str) -> str:
    """A text as `clean` leaves it, on one line, with single spaces."""
    return " ".join(clean(text).split())


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
