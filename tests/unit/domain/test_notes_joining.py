"""Which note a message joins, and when it starts the next note or continues a full one."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

from domain.notes import CHARACTERS_MAX, FIRST_MESSAGES_MAX, MESSAGES_MAX, NOTE_SPAN, join_notes
from schemas.messages import Media
from schemas.notes import NoteAppended, NoteCreated
from tests.unit.domain.given.note_steps import CONTEXT, join
from tests.unit.domain.given.samples import HOUR, NOON, linked, notes, shown

MICROSECOND = timedelta(microseconds=1)


def test_the_limits_are_those_of_the_contract() -> None:
    assert timedelta(hours=24) == NOTE_SPAN
    assert (FIRST_MESSAGES_MAX, MESSAGES_MAX, CHARACTERS_MAX) == (20, 500, 60_000)


@pytest.mark.parametrize(
    "sent_at",
    [NOON, NOON + HOUR, NOON + NOTE_SPAN - MICROSECOND, NOON + NOTE_SPAN],
    ids=["at its start", "within its 24 hours", "at the very end, nearly", "at the very end"],
)
def test_a_message_within_24_hours_of_the_notes_start_joins_it(sent_at: datetime) -> None:
    after, note = join(linked(revision=4, message_count=4), shown(sent_at=sent_at))
    assert isinstance(note, NoteAppended)
    assert (note.note_id, note.revision, note.starts_at) == ("note of deal:1", 5, NOON)
    assert note.messages == (shown(sent_at=sent_at),)
    assert (after.note.message_count, after.note.character_count) == (5, 10)


@pytest.mark.parametrize("before", [MICROSECOND, NOTE_SPAN, 1000 * NOTE_SPAN], ids=str)
def test_a_message_from_before_the_notes_start_joins_it(before: timedelta) -> None:
    _, note = join(linked(), shown(sent_at=NOON - before))
    assert isinstance(note, NoteAppended)
    assert (note.note_id, note.starts_at) == ("note of deal:1", NOON)


@pytest.mark.parametrize("later", [MICROSECOND, HOUR, 1000 * NOTE_SPAN], ids=str)
def test_the_first_message_outside_starts_the_next_note_whose_24_hours_start_with_it(
    later: timedelta,
) -> None:
    sent_at = NOON + NOTE_SPAN + later
    after, note = join(linked(revision=4, message_count=4), shown(sent_at=sent_at))
    assert isinstance(note, NoteCreated)
    assert note.note_id != "note of deal:1"
    assert (note.revision, note.starts_at, note.continues) == (1, sent_at, UNSET)
    assert (after.note.message_count, after.note.character_count) == (1, 5)


def test_24_hours_are_counted_from_the_newest_notes_start_not_from_the_link() -> None:
    link, _ = join(linked(), shown(sent_at=NOON + 40 * HOUR))
    for hours, joins in ((20, True), (64, True), (65, False)):
        _, note = join(link, shown(sent_at=NOON + hours * HOUR))
        assert isinstance(note, NoteAppended) == joins


@pytest.mark.parametrize("later", [-HOUR, timedelta(), HOUR, 2 * NOTE_SPAN], ids=str)
def test_a_note_that_is_left_alone_takes_nothing_and_the_next_message_starts_another(
    later: timedelta,
) -> None:
    after, note = join(linked(left_alone=True), shown(sent_at=NOON + later))
    assert isinstance(note, NoteCreated)
    assert (note.revision, note.starts_at, note.continues) == (1, NOON + later, UNSET)
    assert not after.note.left_alone


def test_a_full_note_that_is_left_alone_is_not_continued() -> None:
    _, note = join(linked(left_alone=True, message_count=MESSAGES_MAX), shown(sent_at=NOON + HOUR))
    assert isinstance(note, NoteCreated)
    assert (note.starts_at, note.continues) == (NOON + HOUR, UNSET)


@pytest.mark.parametrize(
    ("fields", "body", "joins"),
    [
        ({"message_count": MESSAGES_MAX - 1}, "", True),
        ({"message_count": MESSAGES_MAX}, "", False),
        ({"character_count": CHARACTERS_MAX - 5}, "12345", True),
        ({"character_count": CHARACTERS_MAX - 5}, "123456", False),
        ({"character_count": CHARACTERS_MAX}, "", True),
        ({"character_count": CHARACTERS_MAX + 1}, "", False),
        ({"character_count": 5}, "x" * CHARACTERS_MAX, False),
        ({"character_count": 0}, "x" * (CHARACTERS_MAX + 1), False),
    ],
)
def test_what_would_not_fit_starts_a_note_that_continues_the_full_one(
    fields: dict[str, Any], body: str, joins: bool
) -> None:
    after, note = join(linked(**fields), shown(body=body, sent_at=NOON + HOUR))
    assert isinstance(note, NoteAppended) == joins
    if isinstance(note, NoteCreated):
        assert (note.continues, note.revision) == ("note of deal:1", 1)
        assert (note.starts_at, note.ends_at) == (NOON, NOON + NOTE_SPAN)
        assert after.note.character_count == len(body)


def test_files_count_with_where_they_are_and_what_they_are() -> None:
    file = Media("https://a.b/1", "image/png")
    fits = CHARACTERS_MAX - len("Look") - 2 * (len(file.url) + len(file.content_type))
    look = shown(body="Look", media=(file, file))
    after, note = join(linked(character_count=fits), look)
    assert isinstance(note, NoteAppended)
    assert after.note.character_count == CHARACTERS_MAX
    assert isinstance(join(linked(character_count=fits + 1), look)[1], NoteCreated)


def test_a_late_message_joins_the_note_that_continues_another_and_ends_with_it() -> None:
    full = linked(message_count=MESSAGES_MAX)
    continuing, _ = join(full, shown(sent_at=NOON + NOTE_SPAN))
    late, note = join(continuing, shown(sent_at=NOON - HOUR))
    assert isinstance(note, NoteAppended)
    _, next_note = join(late, shown(sent_at=NOON + NOTE_SPAN + MICROSECOND))
    assert isinstance(next_note, NoteCreated)
    assert next_note.continues is UNSET


def test_each_entity_has_a_note_of_its_own() -> None:
    links = [linked("deal:1"), linked("person:1", left_alone=True), linked("person:2")]
    later = shown(sent_at=NOON + 2 * NOTE_SPAN)
    for sent in (shown(), later):
        after, outgoing = join_notes(CONTEXT, links, sent)
        assert [link.entity for link in after] == [link.entity for link in links]
        assert [note.entity for note in notes(outgoing)] == [link.entity for link in links]
        assert len({note.note_id for note in notes(outgoing)}) == 3
        assert len({item.event_id for item in outgoing}) == 3
