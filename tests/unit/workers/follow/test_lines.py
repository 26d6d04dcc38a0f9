"""A record is one line that a person can read; the messages of a note stand below it."""

import pytest

from schemas import conversations, notes, notifications
from schemas.catalog import OUTBOUND
from schemas.fields import Emitted
from schemas.notifications import MessagePreview
from tests.unit.workers.follow.given import BY_ANA, BY_CONTACT, ID, NOTE, NOTIFIED, NOW
from workers.follow.lines import (
    STYLES,
    RenderedRecord,
    block,
    line,
    render_dead_letter,
    render_event,
)


def test_only_kinds_of_events_that_exist_have_a_style() -> None:
    assert STYLES.keys() <= {struct.TYPE for structs in OUTBOUND.values() for struct in structs}


def test_a_notification_tells_the_contacts_name() -> None:
    assert (
        render_event(NOW, notifications.NotificationRequested(**NOTIFIED)).contact_name
        == "Maria Souza"
    )
    assert render_event(NOW, conversations.ConversationCreated(**BY_CONTACT)).contact_name is None


def test_below_a_notes_line_stand_its_new_messages() -> None:
    shown = block(render_event(NOW, notes.NoteAppended(**NOTE)), "Maria Souza").plain
    assert shown.split("\n") == [
        "03:04:05  0a1b2c3d  Maria Souza       note 0a1b2c3d on person p1 appended, r2: 1 message",
        "          2026-01-02 03:04:05 UTC, contact Maria at whatsapp:+4911 wrote to the inbox:",
        "              secret text",
    ]


@pytest.mark.parametrize(
    "data",
    [notes.NoteCreated(**NOTE | {"messages": ()}), conversations.ConversationClosed(**BY_ANA)],
    ids=["a note without messages", "an event that is no note"],
)
def test_below_other_lines_stands_nothing(data: Emitted) -> None:
    shown = render_event(NOW, data)
    assert block(shown, None) == line(shown, None)


def test_a_dead_letter_says_where_it_came_from_and_never_what_it_held() -> None:
    headers = {
        "dl_topic": "inbox.assignments",
        "dl_partition": "3",
        "dl_offset": "120",
        "dl_code": "unknown_type",
        "dl_error": "'a secret' is not for here",
        "body": "another secret",
    }
    shown = render_dead_letter(NOW, "1:7", headers)
    assert shown.phrase == "dead letter 1:7: unknown_type, inbox.assignments/3/120"


def test_a_dead_letter_of_a_webhook_says_so() -> None:
    headers = {
        "dl_topic": "inbox.messages.received",
        "dl_partition": "-1",
        "dl_offset": "-1",
        "dl_code": "unknown_channel",
    }
    shown = render_dead_letter(NOW, "0:0", headers)
    assert shown.phrase == (
        "dead letter 0:0: unknown_channel, a webhook for inbox.messages.received"
    )


def test_a_dead_letter_without_its_headers_is_shown_all_the_same() -> None:
    assert render_dead_letter(NOW, "0:0", {}).phrase == "dead letter 0:0: ?, ?/?/?"


def test_a_line_has_the_time_the_conversation_the_contact_and_what_happened() -> None:
    shown = line(RenderedRecord(NOW, ID, "created, v1"), "Maria Souza")
    assert shown.plain == "03:04:05  0a1b2c3d  Maria Souza       created, v1"


def test_columns_stay_where_they_are_without_a_name_and_with_a_long_one() -> None:
    nameless = line(RenderedRecord(NOW, None, "here"), None).plain
    long = line(RenderedRecord(NOW, ID, "here"), "Maria Francisca de Souza").plain
    assert nameless.index("here") == long.index("here")
    assert "Maria Francisca…" in long
    family = line(RenderedRecord(NOW, ID, "here"), "Maria Franc 👩\u200d👩\u200d👧 Souza").plain
    assert family.index("here") == long.index("here")
    assert "Maria Franc …" in family


def test_what_a_contact_wrote_cannot_move_the_cursor_or_break_the_line() -> None:
    hostile = "\x1b[2J\r\nrm -rf\u202e\x07👩\u200d💻 [bold]"
    data = notifications.NotificationRequested(
        **NOTIFIED | {"message": MessagePreview(ID, hostile), "contact_name": hostile}
    )
    shown = line(render_event(NOW, data), hostile).plain
    assert not [c for c in shown if not c.isprintable() and c != "\u200d"]
    assert '" [2J  rm -rf  👩\u200d💻 [bold]"' in shown


def test_what_a_contact_wrote_stays_below_the_notes_line() -> None:
    hostile = "\x1b[2J\u202e\u200f\x07\t👩\u200d💻 [bold]\r\n03:04:05  forged\x85\u2028b\rc"
    message = notes.NoteMessage(ID, "inbound", hostile, hostile, NOW, hostile, ())
    shown = block(
        render_event(NOW, notes.NoteCreated(**NOTE | {"messages": (message,)})), None
    ).plain
    _, heading, *body = shown.split("\n")
    assert heading.startswith(
        "          2026-01-02 03:04:05 UTC, contact [2J  👩\u200d💻 [bold] 03:"
    )
    assert [row.removeprefix(" " * 14) for row in body] == [
        "[2J  👩\u200d💻 [bold]",
        "03:04:05  forged",
        "",
        "b",
        "c",
    ]
    assert not [char for char in heading if not char.isprintable() and char != "\u200d"]
