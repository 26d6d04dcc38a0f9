"""Steps of a note, in short: begin a link's first note, join one more message."""

from datetime import datetime

from domain.notes import NOTE_SPAN, Link, begin_notes, join_notes, note_context
from schemas.notes import NoteAppended, NoteCreated, NoteMessage
from tests.unit.domain.given.samples import APP_URL, NOON, conversation, directory, entity, notes

CONTEXT = note_context("m1", conversation(version=7), directory(), APP_URL)


def join(link: Link, message: NoteMessage) -> tuple[Link, NoteCreated | NoteAppended]:
    """Returns the link after a message, and the event of its note."""
    (after,), outgoing = join_notes(CONTEXT, [link], message)
    (note,) = notes(outgoing)
    assert (after.entity, after.linked_at) == (link.entity, link.linked_at)
    assert (after.note.note_id, after.note.revision) == (note.note_id, note.revision)
    assert after.note.starts_at == note.starts_at == note.ends_at - NOTE_SPAN
    return after, note


def begin(*messages: NoteMessage, linked_at: datetime = NOON) -> tuple[Link, list[NoteCreated]]:
    """Returns a new link, and the notes that it begins with."""
    link, outgoing = begin_notes(CONTEXT, entity(), linked_at, messages)
    created = [note for note in notes(outgoing) if isinstance(note, NoteCreated)]
    assert len(created) == len(outgoing)
    return link, created
