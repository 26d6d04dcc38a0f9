"""A note as the CRM shows it: its events folded into one note, and that note as plain text.

Notes show texts of contacts. Nothing in such a text may look like a part of the note itself.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType

from schemas.context_text import context_lines
from schemas.links import Entity
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage

_LINE_BREAK = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters except newline and tab; characters that override, embed or isolate a text
direction."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# Three depths of indentation: they show what each line is, whatever a contact wrote into it.
_DETAIL_INDENT = "  "
"""Of files, and of what a message is about."""
_BODY_INDENT = "    "


class ShownNote(Struct, frozen=True, kw_only=True):
    """A note after its newest event. A CRM may store it as JSON, and read it back with msgspec."""

    note_id: str
    revision: int
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    assignee: Assignee | None
    inbox_url: str
    continues: str | UnsetType = UNSET
    """The id of the earlier, full note that this one continues."""
    messages: tuple[NoteMessage, ...]
    """All so far, in order of time; messages of one time in the order in which they came."""


def fold(note: ShownNote | None, event: NoteCreated | NoteAppended) -> ShownNote:
    """Returns the note after its next event; `note` is None before the first event.

    Raises ValueError for an event of another note, and for an event that is not the next one: it
    is a repeat, or an event before it is missing.
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
        # A late message is put in its place by time. The sort is stable for equal times.
        messages=tuple(sorted((*earlier, *event.messages), key=lambda each: each.sent_at)),
    )


def _not_next(event: NoteCreated | NoteAppended, revision: int) -> ValueError:
    kind = "created" if isinstance(event, NoteCreated) else "appended"
    return ValueError(
        f"note {event.note_id}: {kind} with revision {event.revision}, where {revision} is next"
    )


def as_text(note: ShownNote) -> str:
    """Returns the whole note as plain text.

    Only the head and the headings of messages begin at the start of a line.
    """
    first = "\n".join([*head(note), f"Conversation: {one_line(note.inbox_url)}"])
    return "\n\n".join([first, messages_as_text(note.messages)]) if note.messages else first


def messages_as_text(messages: Iterable[NoteMessage]) -> str:
    """Returns messages alone as plain text, for example the new ones of one event."""
    return "\n\n".join(map(_message_as_text, messages))


def _message_as_text(message: NoteMessage) -> str:
    lines = [heading(message)]
    if body := clean(message.body):
        lines += [_BODY_INDENT + line if line else "" for line in body.split("\n")]
    for line in context_lines(message.context, message.body, message.answered):
        link = f": {one_line(line.url)}" if line.url else ""
        lines.append(f"{_DETAIL_INDENT}{one_line(line.text)}{link}")
    for file in message.media:
        what, url = one_line(file.content_type), one_line(file.url)
        lines.append(f"{_DETAIL_INDENT}Attached {what}: {url}")
    return "\n".join(lines)


def head(note: ShownNote) -> list[str]:
    """Returns the lines of the head of a note, without the link to the conversation."""
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
    """Returns the heading of a message in one line: its time, its sender and its direction."""
    # The words on both sides keep a name in its place that runs from right to left. The direction
    # stands before the name, so that no name can pretend another one.
    name, address = one_line(message.sender_name or ""), one_line(message.sender_address)
    sender = f"{name} at {address}" if name else address
    if message.direction == "inbound":
        return f"{_time(message.sent_at)}, contact {sender} wrote to the inbox:"
    return f"{_time(message.sent_at)}, reply by {sender} to the contact:"


def clean(text: str) -> str:
    """Returns a text that is safe to show: line ends are newlines, and no control characters.

    It cannot change the direction of the text around it. Marks that have only a direction of their
    own are kept, since Arabic and Hebrew need them.
    """
    return _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _LINE_BREAK.sub("\n", text)))


def one_line(text: str) -> str:
    """Returns a cleaned text on one line, with single spaces."""
    return " ".join(clean(text).split())


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
