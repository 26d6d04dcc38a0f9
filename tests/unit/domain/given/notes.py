"""Links and their notes, as a beginning or one more message leaves them."""

from datetime import datetime

from domain.notes import WINDOW, Link, begin_notes, join_notes, occasion
from schemas.notes import NoteAppended, NoteCreated, NoteMessage
from tests.unit.domain.given.events import APP_URL, NOON, conversation, directory, entity, notes

ABOUT = occasion("m1", conversation(version=7), directory(), APP_URL)


def join(link: Link, message: NoteMessage) -> tuple[Link, NoteCreated | NoteAppended]:
    """The link after a message, and what is written."""
    (after,), outgoing = join_notes(ABOUT, [link], message)
    (note,) = notes(outgoing)
    assert (after.entity, after.linked_at) == (link.entity, link.linked_at)
    assert (after.note.note_id, after.note.revision) == (note.note_id, note.revision)
    assert after.note.starts_at == note.starts_at == note.ends_at - WINDOW
    return after, note


def begin(*messages: NoteMessage, linked_at: datetime = NOON) -> tuple[Link, list[NoteCreated]]:
    """A new link, and the notes that it begins with."""
    link, outgoing = begin_notes(ABOUT, entity(), linked_at, messages)
    created = [note for note in notes(outgoing) if isinstance(note, NoteCreated)]
    assert len(created) == len(outgoing)
    return link, created
