"""Checks of the notes that a history emitted: against the model, and by the events alone."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from schemas.conversations import (
    ConversationDeleted,
    ConversationLinked,
    ConversationUnlinked,
    MessageRecorded,
)
from schemas.links import Entity
from schemas.notes import NoteAppended, NoteCreated, NoteDeleted, NoteEdited
from tests.unit.domain.given.memory_inbox import Applied
from tests.unit.domain.given.note_model import ConversationKey, ExpectedNotes, NoteModel


class NoteView(NamedTuple):
    """The parts of a note that the model predicts."""

    starts_at: datetime
    ends_at: datetime
    message_ids: list[str]
    continues: int | None
    revision: int


@dataclass
class WrittenNote:
    """A note in a CRM that writes exactly what the events contain."""

    note_id: str
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    messages: list[tuple[datetime, str]]
    continues: int | None
    revision: int = 1

    @property
    def view(self) -> NoteView:
        """The parts to compare with the model's."""
        ids = [message_id for _, message_id in self.messages]
        return NoteView(self.starts_at, self.ends_at, ids, self.continues, self.revision)


class Crm:
    """A CRM: it folds the events of notes."""

    def __init__(self) -> None:
        self.notes: dict[ConversationKey, dict[Entity, list[WrittenNote]]] = {}
        self._by_id: dict[str, WrittenNote] = {}

    def follow(self, applied: Applied) -> None:
        """Write the notes that an event of the history emitted."""
        for item in applied.outgoing:
            if isinstance(item.data, NoteCreated):
                self._create(item.data)
            elif isinstance(item.data, NoteAppended):
                self._append(item.data)

    def find(self, key: ConversationKey, note_id: str) -> tuple[Entity, int] | None:
        """Returns the entity of a note, and its index among the notes of that entity."""
        for entity, notes in self.notes.get(key, {}).items():
            for place, note in enumerate(notes):
                if note.note_id == note_id:
                    return entity, place
        return None

    def _create(self, data: NoteCreated) -> None:
        assert data.note_id not in self._by_id
        assert data.revision == 1
        key = (data.account_id, data.conversation_id)
        notes = self.notes.setdefault(key, {}).setdefault(data.entity, [])
        continues = None
        if isinstance(data.continues, str):
            continues = [note.note_id for note in notes].index(data.continues)
        messages = [(message.sent_at, message.message_id) for message in data.messages]
        note = WrittenNote(
            data.note_id, data.entity, data.starts_at, data.ends_at, messages, continues
        )
        notes.append(note)
        self._by_id[data.note_id] = note

    def _append(self, data: NoteAppended) -> None:
        note = self._by_id[data.note_id]
        note.revision += 1
        assert data.revision == note.revision
        assert (data.entity, data.starts_at, data.ends_at) == (
            note.entity,
            note.starts_at,
            note.ends_at,
        )
        (message,) = data.messages
        note.messages.append((message.sent_at, message.message_id))
        note.messages.sort(key=lambda one: one[0])


def views(expected: ExpectedNotes) -> dict[Entity, list[NoteView]]:
    """Returns the notes of the model by entity, as views to compare."""
    return {
        entity: [
            NoteView(note.starts_at, note.ends_at, note.message_ids, note.continues, note.revision)
            for note in notes
        ]
        for entity, notes in expected.notes.items()
    }


def compare(history: list[Applied], model: NoteModel) -> None:
    """Follow a history with the model and with a CRM, and compare them after every event."""
    crm = Crm()
    for applied in history:
        data: Any = applied.event.data
        if isinstance(data, NoteEdited | NoteDeleted):
            key = (data.account_id, str(data.conversation_id))
            if found := crm.find(key, str(data.note_id)):
                model.of(key).touch(*found)
        model.follow(applied)
        crm.follow(applied)
        for key, expected in model.conversations.items():
            written = crm.notes.get(key, {})
            assert {
                entity: [note.view for note in notes] for entity, notes in written.items()
            } == views(expected)


class OneLink:
    """One link from its beginning to its end: which messages went into its notes."""

    def __init__(self, written_before: int) -> None:
        self._written_before = written_before
        self._later: set[str] = set()
        self._in_notes: Counter[str] = Counter()

    def follow(self, data: Any) -> None:
        """Follow an event about the conversation, or about notes of the entity."""
        if isinstance(data, MessageRecorded):
            self._later.add(data.message_id)
        elif isinstance(data, NoteCreated | NoteAppended):
            self._in_notes.update(message.message_id for message in data.messages)

    def check(self) -> None:
        """Check that each later message is in exactly one note, and the latest earlier ones too."""
        assert set(self._in_notes.values()) <= {1}
        assert self._later <= self._in_notes.keys()
        assert len(self._in_notes.keys() - self._later) == min(20, self._written_before)


def check_each_message_is_in_one_note(history: list[Applied]) -> None:
    """Check it by the emitted events alone."""
    written: Counter[str] = Counter()
    links: dict[str, dict[Entity, OneLink]] = defaultdict(dict)
    for data in (item.data for applied in history for item in applied.outgoing):
        key = data.conversation_id
        if isinstance(data, ConversationLinked):
            assert data.entity not in links[key]
            links[key][data.entity] = OneLink(written[key])
        elif isinstance(data, NoteCreated | NoteAppended):
            links[key][data.entity].follow(data)
        elif isinstance(data, MessageRecorded):
            written[key] += 1
            for link in links[key].values():
                link.follow(data)
        elif isinstance(data, ConversationUnlinked):
            links[key].pop(data.entity).check()
        elif isinstance(data, ConversationDeleted):
            del written[key]
            for link in links.pop(key, {}).values():
                link.check()
    for link in (link for of_one in links.values() for link in of_one.values()):
        link.check()
