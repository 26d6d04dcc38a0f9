"""The rolling note: which message goes into which note, and what a note says."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import UNSET

from domain.messages import decide_message
from domain.notes import (
    CHARACTERS_MAX,
    FIRST_MESSAGES_MAX,
    MESSAGES_MAX,
    WINDOW,
    Link,
    begin_notes,
    join_notes,
    leave_alone,
    note_message,
    note_name,
    occasion,
)
from domain.thread import Thread
from schemas.messages import Media
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage
from tests.unit.domain.given import (
    ACCOUNT,
    ADDRESS,
    APP_URL,
    CONVERSATION,
    HOUR,
    NOON,
    SECOND,
    conversation,
    directory,
    entity,
    kinds,
    linked,
    message,
    notes,
    shown,
    user,
)

ABOUT = occasion("m1", conversation(version=7), directory(), APP_URL)
MICROSECOND = timedelta(microseconds=1)
BERLIN = timezone(HOUR)


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


def numbered(count: int, **fields: str) -> list[NoteMessage]:
    return [shown(f"m{number}", **fields) for number in range(count)]


def test_the_limits_are_those_of_the_contract() -> None:
    assert timedelta(hours=24) == WINDOW
    assert (FIRST_MESSAGES_MAX, MESSAGES_MAX, CHARACTERS_MAX) == (20, 500, 60_000)


@pytest.mark.parametrize(
    "sent_at",
    [NOON, NOON + HOUR, NOON + WINDOW - MICROSECOND, NOON + WINDOW],
    ids=["at its start", "within its 24 hours", "at the very end, nearly", "at the very end"],
)
def test_a_message_within_24_hours_of_the_notes_start_joins_it(sent_at: datetime) -> None:
    after, note = join(linked(revision=4, message_count=4), shown(sent_at=sent_at))
    assert isinstance(note, NoteAppended)
    assert (note.note_id, note.revision, note.starts_at) == ("note of deal:1", 5, NOON)
    assert note.messages == (shown(sent_at=sent_at),)
    assert (after.note.message_count, after.note.character_count) == (5, 10)


@pytest.mark.parametrize("before", [MICROSECOND, WINDOW, 1000 * WINDOW], ids=str)
def test_a_message_from_before_the_notes_start_joins_it(before: timedelta) -> None:
    _, note = join(linked(), shown(sent_at=NOON - before))
    assert isinstance(note, NoteAppended)
    assert (note.note_id, note.starts_at) == ("note of deal:1", NOON)


@pytest.mark.parametrize("later", [MICROSECOND, HOUR, 1000 * WINDOW], ids=str)
def test_the_first_message_outside_starts_the_next_note_whose_24_hours_start_with_it(
    later: timedelta,
) -> None:
    sent_at = NOON + WINDOW + later
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


@pytest.mark.parametrize("later", [-HOUR, timedelta(), HOUR, 2 * WINDOW], ids=str)
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
        assert (note.starts_at, note.ends_at) == (NOON, NOON + WINDOW)
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
    continuing, _ = join(full, shown(sent_at=NOON + WINDOW))
    late, note = join(continuing, shown(sent_at=NOON - HOUR))
    assert isinstance(note, NoteAppended)
    _, next_note = join(late, shown(sent_at=NOON + WINDOW + MICROSECOND))
    assert isinstance(next_note, NoteCreated)
    assert next_note.continues is UNSET


@pytest.mark.parametrize("count", [1, 2, 20, MESSAGES_MAX])
def test_a_link_begins_one_note_with_its_messages_at_its_own_time(count: int) -> None:
    messages = numbered(count)
    link, (note,) = begin(*messages, linked_at=NOON + HOUR)
    assert note.messages == tuple(messages)
    assert (note.revision, note.continues) == (1, UNSET)
    assert (note.starts_at, note.ends_at) == (NOON + HOUR, NOON + HOUR + WINDOW)
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
        (NOON, NOON + WINDOW, 1)
    }
    assert (link.note.note_id, link.note.message_count) == (ids[-1], filled[-1])
    assert link.note.character_count == sum(lengths[-filled[-1] :])


def test_each_entity_has_a_note_of_its_own() -> None:
    links = [linked("deal:1"), linked("person:1", left_alone=True), linked("person:2")]
    later = shown(sent_at=NOON + 2 * WINDOW)
    for sent in (shown(), later):
        after, outgoing = join_notes(ABOUT, links, sent)
        assert [link.entity for link in after] == [link.entity for link in links]
        assert [note.entity for note in notes(outgoing)] == [link.entity for link in links]
        assert len({note.note_id for note in notes(outgoing)}) == 3
        assert len({item.event_id for item in outgoing}) == 3


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
        about = occasion("m1", state, directory(), APP_URL)
        again = occasion("another cause", state, directory("ana"), "https://example.com")
        (first,), (same,) = (
            notes(begin_notes(one, entity(name), NOON, [shown()])[1]) for one in (about, again)
        )
        assert first.note_id == same.note_id
        ids.add(first.note_id)
    assert len(ids) == len(places)


@pytest.mark.parametrize(("name", "left_alone"), [("deal:1", True), ("deal:2", False)])
def test_a_report_is_about_the_link_whose_newest_note_it_names(name: str, left_alone: bool) -> None:
    links = (linked("deal:1", message_count=3), linked("person:1"))
    assert leave_alone(links, f"note of {name}") == (
        linked("deal:1", message_count=3, left_alone=left_alone),
        linked("person:1"),
    )


def test_a_report_about_an_older_note_changes_nothing() -> None:
    before = linked()
    after, _ = join(before, shown(sent_at=NOON + 2 * WINDOW))
    (same,) = leave_alone((after,), before.note.note_id)
    assert same is after


def test_a_report_that_is_repeated_changes_nothing() -> None:
    once = leave_alone((linked(),), "note of deal:1")
    assert leave_alone(once, "note of deal:1") == once


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        (None, None),
        ("", ""),
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 255 + "…"),
        ("👍" * 10_000, "👍" * 255 + "…"),
    ],
)
def test_a_long_name_of_a_sender_is_cut(name: str | None, cut: str | None) -> None:
    decision = decide_message(
        Thread(conversation(), links=(linked(),)), message(name=name), NOON, directory(), APP_URL
    )
    (note,) = notes(decision.outgoing)
    assert note.messages[0].sender_name == note_name(name) == cut
    assert decision.message is not None
    assert decision.message.sender_name == name, "only the note cuts it"


@pytest.mark.parametrize(
    ("assignee_id", "assignee"),
    [
        (None, None),
        ("bo", Assignee("bo", "Bo B.")),
        ("nameless", Assignee("nameless", "nameless")),
        ("untold", Assignee("untold", "untold")),
        ("removed", Assignee("removed", "removed")),
    ],
)
def test_a_note_names_the_assignee_by_their_id_if_there_is_no_name(
    assignee_id: str | None, assignee: Assignee | None
) -> None:
    known = directory(
        user("bo", name="Bo B."), user("nameless", name=""), user("untold", name=None)
    )
    about = occasion("m1", conversation(assignee_id=assignee_id), known, APP_URL)
    assert about.assignee == assignee
    for _, outgoing in (
        join_notes(about, [linked()], shown()),
        join_notes(about, [linked(left_alone=True)], shown()),
        begin_notes(about, entity(), NOON, [shown()]),
    ):
        assert [note.assignee for note in notes(outgoing)] == [assignee]


def test_a_note_says_whose_it_is_and_where_the_conversation_is() -> None:
    for left_alone in (False, True):
        _, note = join(linked(left_alone=left_alone), shown())
        assert (note.account_id, note.conversation_id, note.version) == (ACCOUNT, CONVERSATION, 7)
        assert (note.entity, note.messages) == (entity(), (shown(),))
        assert note.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"


def test_times_are_said_in_utc() -> None:
    said = NOON.astimezone(BERLIN)
    link, (created,) = begin(shown(), linked_at=said)
    decision = decide_message(
        Thread(conversation(), links=(linked(left_alone=True),)),
        message(sent_at=said),
        NOON,
        directory(),
        APP_URL,
    )
    (note,) = notes(decision.outgoing)
    for time in (
        link.linked_at,
        link.note.starts_at,
        created.starts_at,
        created.ends_at,
        note.starts_at,
        note.messages[0].sent_at,
    ):
        assert time.tzinfo is UTC


def test_a_message_joins_after_all_that_it_does_to_the_conversation() -> None:
    before = conversation(status="closed", version=4, assignee_id="ana")
    thread = Thread(before, links=(linked(),))
    file = Media("https://a.b/1", "image/png")
    event = message(body="Look", media=(file,), sent_at=NOON + HOUR)
    decision = decide_message(thread, event, NOON + SECOND, directory("ana"), APP_URL)
    assert kinds(decision.outgoing) == [
        "conversation.message_recorded",
        "conversation.reopened",
        "notification.requested",
        "note.appended",
    ]
    (note,) = notes(decision.outgoing)
    assert note.version == decision.thread.version == 6
    assert note.assignee == Assignee("ana", "Ana")
    assert decision.message is not None
    assert note.messages == (note_message(decision.message),)
    assert note.messages == (
        NoteMessage(
            message_id=decision.message.message_id,
            direction="inbound",
            sender_name="Ana",
            sender_address=ADDRESS,
            sent_at=NOON + HOUR,
            body="Look",
            media=(file,),
        ),
    )
    assert decision.outgoing[-1].cause_id == "m1"
    assert decision.thread.links == (
        linked(revision=2, message_count=2, character_count=5 + 4 + 13 + 9),
    )


def test_a_historical_message_joins_too() -> None:
    thread = Thread(conversation(), links=(linked(),))
    event = message(historical=True)
    decision = decide_message(thread, event, NOON, directory("ana"), APP_URL)
    assert kinds(decision.outgoing) == ["conversation.message_recorded", "note.appended"]


def test_without_links_there_are_no_notes() -> None:
    decision = decide_message(Thread(conversation()), message(), NOON, directory(), APP_URL)
    assert notes(decision.outgoing) == []
    assert decision.thread.links == ()
