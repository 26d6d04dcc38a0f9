"""The notes that a link begins with, and the ids of notes."""

import pytest
from msgspec import UNSET

from domain.notes import CHARACTERS_MAX, MESSAGES_MAX, NOTE_SPAN, begin_notes, note_context
from schemas.notes import NoteAppended, NoteMessage
from tests.unit.domain.given.note_steps import begin, join
from tests.unit.domain.given.samples import (
    APP_URL,
    HOUR,
    NOON,
    conversation,
    directory,
    entity,
    notes,
    shown,
)


def numbered(count: int, **fields: str) -> list[NoteMessage]:
    return [shown(f"m{number}", **fields) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 20, MESSAGES_MAX])
def test_a_link_begins_one_note_with_its_messages_at_its_own_time(count: int) -> None:
    messages = numbered(count)
    link, (note,) = begin(*messages, linked_at=NOON + HOUR)
    assert note.messages == tuple(messages)
    assert (note.revision, note.continues) == (1, UNSET)
    assert (note.starts_at, note.ends_at) == (NOON + HOUR, NOON + HOUR + NOTE_SPAN)
    assert (link.entity, link.linked_at) == (entity(), NOON + HOUR)
    assert (link.note.note_id, link.note.revision) == (note.note_id, 1)
    assert (link.note.message_count, link.note.character_count) == (count, 5 * count)


def test_a_link_without_messages_begins_an_empty_note() -> None:
    link, (note,) = begin()
    assert (note.messages, link.note.message_count, link.note.character_count) == ((), 0, 0)
    _, appended = join(link, shown(body="x" * (CHARACTERS_MAX + 1)))
    assert isinstance(appended, NoteAppended), "there is nothing to go on from"


@pytest.mark.parametrize(
    ("lengths", "filled"),
    [
        ([30_000, 30_000], [2]),
        ([30_000, 30_001], [1, 1]),
        ([60_000, 0, 1], [2, 1]),
        ([60_001, 0], [1, 1]),
        ([0, 60_001, 0, 60_000, 1], [1, 1, 2, 1]),
        ([70_000, 70_000, 1, 1], [1, 1, 2]),
        ([3_000] * 20, [20]),
        ([3_001] * 20, [19, 1]),
        ([0] * 501, [500, 1]),
    ],
)
def test_a_first_note_that_is_full_is_continued_at_once(
    lengths: list[int], filled: list[int]
) -> None:
    messages = [shown(f"m{place}", body="x" * length) for place, length in enumerate(lengths)]
    link, created = begin(*messages)
    assert [len(note.messages) for note in created] == filled
    assert [one for note in created for one in note.messages] == messages
    ids = [note.note_id for note in created]
    assert [note.continues for note in created] == [UNSET, *ids[:-1]]
    assert len(set(ids)) == len(ids)
    assert {(note.starts_at, note.ends_at, note.revision) for note in created} == {
        (NOON, NOON + NOTE_SPAN, 1)
    }
    assert (link.note.note_id, link.note.message_count) == (ids[-1], filled[-1])
    assert link.note.character_count == sum(lengths[-filled[-1] :])


def test_the_ids_of_notes_are_those_of_their_conversation_entity_and_version() -> None:
    places = [
        (conversation(), "deal:1"),
        (conversation(), "deal:2"),
        (conversation(), "lead:1"),
        (conversation(version=3), "deal:1"),
        (conversation(account_id="globex"), "deal:1"),
        (conversation(conversation_id="another"), "deal:1"),
    ]
    ids = set()
    for state, name in places:
        context = note_context("m1", state, directory(), APP_URL)
        again = note_context("another cause", state, directory("ana"), "https://example.com")
        (first,), (same,) = (
            notes(begin_notes(one, entity(name), NOON, [shown()])[1]) for one in (context, again)
        )
        assert first.note_id == same.note_id
        ids.add(first.note_id)
    assert len(ids) == len(places)
