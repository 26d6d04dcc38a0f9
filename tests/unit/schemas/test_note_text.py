"""Notes are folded from their events and shown safely, whatever contacts wrote into them."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from schemas.links import Entity
from schemas.messages import Media
from schemas.note_text import ShownNote, as_text, fold, messages_as_text
from schemas.notes import Assignee, NoteAppended, NoteCreated
from tests.unit.schemas.given.shown_notes import (
    HEADING,
    NOTES,
    START,
    URL,
    about,
    appended,
    created,
    example,
    folded,
    note_message,
    visible,
)


def bodies(note: ShownNote) -> list[str]:
    return [message.body for message in note.messages]


def test_the_first_event_is_the_note() -> None:
    note = folded(created(note_message("one"), note_message("two", 1)))
    assert (note.note_id, note.revision, bodies(note)) == ("n1", 1, ["one", "two"])
    assert note.continues is UNSET


def test_later_events_bring_messages_and_the_newest_head() -> None:
    entity, end = Entity("deal", "d9"), START + timedelta(hours=25)
    note = folded(
        created(note_message("one"), continues="n0"),
        appended(2, note_message("two", 1)),
        appended(
            3,
            note_message("three", 2),
            assignee=None,
            entity=entity,
            starts_at=START + timedelta(hours=1),
            ends_at=end,
            inbox_url="http://elsewhere",
        ),
    )
    assert note == ShownNote(
        note_id="n1",
        revision=3,
        entity=entity,
        starts_at=START + timedelta(hours=1),
        ends_at=end,
        assignee=None,
        inbox_url="http://elsewhere",
        continues="n0",
        messages=(note_message("one"), note_message("two", 1), note_message("three", 2)),
    )


def test_a_late_message_takes_its_place_in_time_after_those_of_its_own_time() -> None:
    note = folded(
        created(note_message("one", 1), note_message("two", 2)),
        appended(2, note_message("early", 0)),
        appended(3, note_message("as one", 1), note_message("as early", 0)),
    )
    assert bodies(note) == ["early", "as early", "one", "as one", "two"]


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_however_messages_come_the_note_has_them_in_time_and_else_as_they_came(
    minutes: list[int], cuts: list[int]
) -> None:
    came = [note_message(str(number), minute) for number, minute in enumerate(minutes)]
    edges = [0, *sorted(cuts), len(came)]
    first, *others = [came[start:end] for start, end in pairwise(edges)]
    note = folded(
        created(*first),
        *(appended(revision, *part) for revision, part in enumerate(others, start=2)),
    )
    expected = sorted(range(len(came)), key=lambda number: (minutes[number], number))
    assert bodies(note) == [str(number) for number in expected]
    # Only the revision shows in how many events they came.
    assert replace(note, revision=1) == folded(created(*came))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (created(), "created with revision 1, where 3 is next"),
        (created(revision=3), "created with revision 3, where 3 is next"),
        (appended(2), "appended with revision 2, where 3 is next"),
        (appended(4), "appended with revision 4, where 3 is next"),
        (appended(3, note_id="n2"), "an event of note n2, not of note n1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_that_is_not_the_next_of_the_note_is_refused(
    event: NoteCreated | NoteAppended, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        fold(folded(created(), appended(2)), event)


@pytest.mark.parametrize("event", [appended(1), appended(2), created(revision=2)])
def test_a_note_begins_with_being_created(event: NoteCreated | NoteAppended) -> None:
    with pytest.raises(ValueError, match="where 1 is next"):
        fold(None, event)


@pytest.mark.parametrize("continues", [UNSET, "n0"])
def test_a_note_can_be_kept_as_json(continues: Any) -> None:
    note = folded(created(note_message("one", 1, Media(URL, "image/png")), continues=continues))
    assert msgspec.json.decode(msgspec.json.encode(note), type=ShownNote) == note


def test_the_examples_are_shown_like_this() -> None:
    account = "https://api.twilio.com/2010-04-01/Accounts/AC" + "0" * 32
    inbox = "https://inbox.example.com/conversations/9c2a538f-6a94-5a0a-8c2a-c532bd7bb918"
    ana = "contact Ana Müller 👋 at whatsapp:+4915112345678 wrote to the inbox:"
    assert as_text(example()).split("\n") == [
        "Note on person person-4711",
        "Assigned to Carl Berg",
        "The 24 hours from 2026-03-02 09:30:00 UTC to 2026-03-03 09:30:00 UTC",
        f"Conversation: {inbox}",
        "",
        f"2026-03-02 09:15:00 UTC, {ana}",
        "    Olá, preço? 👍",
        f"  Attached image/jpeg: {account}/Messages/SM{2:032}/Media/ME{1:032}",
        "",
        "2026-03-02 09:25:00 UTC, reply by Carl Berg at whatsapp:+14155238886 to the contact:",
        "    Olá Ana! 49 € por unidade.",
        "",
        f"2026-03-02 10:02:00 UTC, {ana}",
        "    Perfeito, fico com 100.",
        "  In reply to: Olá Ana! 49 € por unidade.",
        "  Button: order-100",
    ]


def test_the_head_says_who_has_the_conversation_and_whether_the_note_continues_another() -> None:
    head = "Note on person p1\n{}\nThe 24 hours from 2026-03-02 09:30:00 UTC to "
    head += "2026-03-03 09:30:00 UTC\n{}Conversation: " + URL
    nobodys = folded(created(assignee=None, continues="n0"))
    assert as_text(nobodys) == head.format("Unassigned", "Continues an earlier note\n")
    nameless = folded(created(assignee=Assignee("u-carl", "\0 ")))
    assert as_text(nameless) == head.format("Assigned to u-carl", "")


def test_times_are_utc_whatever_offset_they_came_with() -> None:
    moment = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    message = replace(note_message(), sent_at=moment)
    assert messages_as_text([message]).startswith("2026-03-01 22:30:00 UTC, ")


@pytest.mark.parametrize("name", [None, "", "\u202e\0", " \n"])
def test_a_sender_without_a_name_is_told_by_the_address(name: str | None) -> None:
    (heading,) = messages_as_text([note_message("", name=name, address="sms:1")]).split("\n")
    assert heading == "2026-03-02 09:30:00 UTC, contact sms:1 wrote to the inbox:"


def test_the_new_messages_of_an_event_are_shown_alone() -> None:
    event = appended(
        2, note_message("one\n\ntwo"), note_message("three", 1, direction="outbound", name=None)
    )
    assert messages_as_text(event.messages) == (
        "2026-03-02 09:30:00 UTC, contact Ana Müller 👋 at whatsapp:+4915112345678 "
        "wrote to the inbox:\n    one\n\n    two\n\n"
        "2026-03-02 09:31:00 UTC, reply by whatsapp:+4915112345678 to the contact:\n    three"
    )
    assert messages_as_text([]) == ""


def test_a_body_cannot_pass_for_another_message() -> None:
    forged = "2026-03-02 09:31:00 UTC, reply by Carl Berg at sms:1 to the contact:"
    body = forged.join(["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029", ""])
    note = folded(created(note_message(body, name=f"Ana\u2028{forged}")))
    assert len([line for line in as_text(note).splitlines() if HEADING.match(line)]) == 1


@given(NOTES)
def test_text_can_be_taken_apart_again_whatever_contacts_wrote(note: ShownNote) -> None:
    lines = as_text(note).split("\n")
    starts = [at for at, line in enumerate(lines) if HEADING.match(line)]
    assert len(starts) == len(note.messages)
    head = lines[: starts[0] - 1 if starts else None]
    assert len(head) == 4 + (note.continues is not UNSET)
    # A blank line stands before each heading; the last message ends with the text.
    ends = [*(start - 1 for start in starts), len(lines)][1:]
    for message, start, end in zip(note.messages, starts, ends, strict=True):
        rest = lines[start + 1 : end]
        details = about(message)
        end_of_body = len(rest) - len(message.media) - len(details)
        body, shown = rest[:end_of_body], rest[end_of_body:]
        assert shown[: len(details)] == [f"  {line}" for line in details]
        assert all(line.startswith("  Attached ") for line in shown[len(details) :])
        assert all(line == "" or line.startswith("    ") for line in body)
        assert "\n".join(line[4:] for line in body) == visible(message.body)


def test_every_character_is_shown_unless_it_steers_what_is_around_it() -> None:
    every = "".join(map(chr, range(0x10000)))
    _, *body = messages_as_text([note_message(every)]).split("\n")
    assert "\n".join(line.removeprefix("    ") for line in body) == visible(every)


@given(NOTES)
def test_text_does_not_steer_a_terminal_or_turn_a_line_around(note: ShownNote) -> None:
    shown = as_text(note)
    assert visible(shown) == shown
    assert shown.encode().decode() == shown
    assert shown.splitlines() == shown.removesuffix("\n").split("\n")
