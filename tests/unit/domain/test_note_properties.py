"""The notes of any history are those that a slow model of the contract's words expects."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from schemas.conversations import (
    ConversationDeleted,
    ConversationLinked,
    ConversationUnlinked,
    MessageRecorded,
)
from schemas.links import Entity
from schemas.notes import NoteAppended, NoteCreated, NoteDeleted, NoteEdited
from tests.unit.domain.given.histories import NOTE_HISTORIES, History
from tests.unit.domain.given.note_model import ConversationKey, ExpectedNotes, Limits, NoteModel
from tests.unit.domain.given.simulation import Said, played

# These examples are many, and coverage would take most of their time; chosen ones reach all lines.
pytestmark = pytest.mark.no_cover

HISTORIES_COUNT = 600

FULL_SIZE, SMALL = Limits(), Limits(messages=5, characters=60)

MET_IN_ANY_CASE = {
    "a message after the end",
    "a message at the very end",
    "a message before the start",
    "a message after an edited note",
    "a report about an older note",
    "a historical message in a linked conversation",
    "a reply in a linked conversation",
    "a double",
    "a link of what is linked",
    "a link again",
    "a link with more messages than its note takes",
    "a link whose first note is continued",
    "a continuation",
    "a message longer than a note",
    "an unlink",
    "a deletion with links",
    "a message not later than the deletion",
    "a fresh start",
}


class NoteView(NamedTuple):
    """A note, as far as the model has an opinion of it."""

    starts_at: datetime
    ends_at: datetime
    message_ids: list[str]
    continues: int | None
    revision: int


@dataclass
class WrittenNote:
    """A note as a CRM has it that wrote whatever it was told to."""

    note_id: str
    entity: Entity
    starts_at: datetime
    ends_at: datetime
    messages: list[tuple[datetime, str]]
    continues: int | None
    revision: int = 1

    @property
    def view(self) -> NoteView:
        """To be compared with the model's."""
        ids = [message_id for _, message_id in self.messages]
        return NoteView(self.starts_at, self.ends_at, ids, self.continues, self.revision)


class Crm:
    """Folds the events of notes."""

    def __init__(self) -> None:
        self.notes: dict[ConversationKey, dict[Entity, list[WrittenNote]]] = {}
        self._by_id: dict[str, WrittenNote] = {}

    def follow(self, said: Said) -> None:
        """Write what an event says."""
        for item in said.outgoing:
            if isinstance(item.data, NoteCreated):
                self._create(item.data)
            elif isinstance(item.data, NoteAppended):
                self._append(item.data)

    def find(self, key: ConversationKey, note_id: str) -> tuple[Entity, int] | None:
        """Whose note this is, and its place among those of the same entity."""
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
    return {
        entity: [
            NoteView(note.starts_at, note.ends_at, note.message_ids, note.continues, note.revision)
            for note in notes
        ]
        for entity, notes in expected.notes.items()
    }


def compare(history: list[Said], model: NoteModel) -> None:
    """Follow a history with the model and with a CRM, which agree after every event."""
    crm = Crm()
    for said in history:
        data: Any = said.event.data
        if isinstance(data, NoteEdited | NoteDeleted):
            key = (data.account_id, str(data.conversation_id))
            if found := crm.find(key, str(data.note_id)):
                model.of(key).touch(*found)
        model.follow(said)
        crm.follow(said)
        for key, expected in model.conversations.items():
            written = crm.notes.get(key, {})
            assert {
                entity: [note.view for note in notes] for entity, notes in written.items()
            } == views(expected)


class OneLink:
    """What went into the notes of one entity, from its link until that ends."""

    def __init__(self, written_before: int) -> None:
        self._written_before = written_before
        self._later: set[str] = set()
        self._in_notes: Counter[str] = Counter()

    def follow(self, data: Any) -> None:
        """What was said of the conversation, and of notes of the entity."""
        if isinstance(data, MessageRecorded):
            self._later.add(data.message_id)
        elif isinstance(data, NoteCreated | NoteAppended):
            self._in_notes.update(message.message_id for message in data.messages)

    def check(self) -> None:
        """Every later message is in exactly one note, and so are the latest of those before."""
        assert set(self._in_notes.values()) <= {1}
        assert self._later <= self._in_notes.keys()
        assert len(self._in_notes.keys() - self._later) == min(20, self._written_before)


def check_each_message_is_in_one_note(history: list[Said]) -> None:
    """By what was said alone."""
    written: Counter[str] = Counter()
    links: dict[str, dict[Entity, OneLink]] = defaultdict(dict)
    for data in (item.data for said in history for item in said.outgoing):
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


@pytest.mark.parametrize("limits", [FULL_SIZE, SMALL], ids=["full size", "small"])
def test_notes_are_those_that_the_model_expects(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.notes.MESSAGES_MAX", limits.messages)
    monkeypatch.setattr("domain.notes.CHARACTERS_MAX", limits.characters)
    met: Counter[str] = Counter()

    @settings(max_examples=HISTORIES_COUNT)
    @given(NOTE_HISTORIES)
    def check(history: History) -> None:
        model, said = NoteModel(limits), played(history).said
        compare(said, model)
        check_each_message_is_in_one_note(said)
        met.update(model.met.keys() & {what for what, count in model.met.items() if count})

    check()
    seldom = {what: met[what] for what in MET_IN_ANY_CASE if met[what] < HISTORIES_COUNT // 100}
    assert seldom == {}, "in how many histories these were met; too few to have tested them"
