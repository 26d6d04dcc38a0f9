"""Every kind of event has one line that a person can read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import commands, conversations, messages, notes, notifications
from schemas.catalog import OUTBOUND
from schemas.codes import Rejection
from schemas.conversations import Snapshot
from schemas.fields import AccountId, Emitted
from schemas.links import Entity, RequestedEntity
from schemas.notifications import MessagePreview, Recipient
from workers.follow.phrases import RENDERINGS, Said, block, line, said, said_dead_letter

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "0a1b2c3d-0000-5000-8000-000000000000"
ABOUT: dict[str, Any] = {"account_id": AccountId("acme"), "conversation_id": ID, "version": 5}
OPEN, BOS = Snapshot("open", None), Snapshot("open", "bo")
BY_ANA: dict[str, Any] = ABOUT | {
    "before": OPEN,
    "after": BOS,
    "actor_id": "ana",
    "reason": "command",
}
BY_CONTACT: dict[str, Any] = BY_ANA | {"actor_id": None, "reason": "inbound_message"}
MESSAGE: dict[str, Any] = BY_CONTACT | {
    "message_id": ID,
    "provider_message_id": "SM1",
    "direction": "inbound",
    "sent_at": NOW,
    "historical": False,
}
NOTIFIED: dict[str, Any] = ABOUT | {
    "kind": "message",
    "recipients": (
        Recipient("ana", "unassigned", ("desktop", "email")),
        Recipient("bo", "unassigned", ("desktop",)),
    ),
    "contact_name": "Maria Souza",
    "message": MessagePreview(ID, "Olá! 👋"),
    "inbox_url": "http://127.0.0.1",
}
PERSON = Entity("person", "p1")
NOTE: dict[str, Any] = ABOUT | {
    "note_id": ID,
    "revision": 2,
    "entity": PERSON,
    "starts_at": NOW,
    "ends_at": NOW,
    "assignee": None,
    "inbox_url": "http://127.0.0.1",
    "messages": (
        notes.NoteMessage(ID, "inbound", "Maria", "whatsapp:+4911", NOW, "secret text", ()),
    ),
}
RESULT: dict[str, Any] = ABOUT | {
    "command_id": "c1",
    "command_type": "inbox.conversation.assign.v1",
}
SENT: dict[str, Any] = ABOUT | {"message_id": ID, "status": "queued"}

PHRASES: list[tuple[Emitted, str]] = [
    (conversations.ConversationCreated(**BY_CONTACT), "created, v5"),
    (conversations.MessageRecorded(**MESSAGE), "message recorded v5"),
    (
        conversations.MessageRecorded(**MESSAGE | {"direction": "outbound"}),
        "reply recorded v5",
    ),
    (
        conversations.MessageRecorded(**MESSAGE | {"historical": True}),
        "historical message recorded v5",
    ),
    (conversations.ConversationAssigned(**BY_ANA), "assigned to bo by ana, v5"),
    (conversations.ConversationUnassigned(**BY_ANA), "unassigned by ana, v5"),
    (conversations.ConversationClosed(**BY_ANA), "closed by ana, v5"),
    (
        conversations.ConversationClosed(**BY_CONTACT, merged_into=ID),
        "closed in favour of 0a1b2c3d, v5",
    ),
    (conversations.ConversationReopened(**BY_ANA), "reopened by ana, v5"),
    (conversations.ConversationReopened(**BY_CONTACT), "reopened by a new message, v5"),
    (conversations.ConversationDeleted(**BY_ANA), "deleted by ana, v5"),
    (
        conversations.ConversationLinked(**BY_ANA, entity=PERSON),
        "linked to person p1 by ana, v5",
    ),
    (
        conversations.ConversationUnlinked(**BY_ANA, entity=PERSON),
        "unlinked from person p1 by ana, v5",
    ),
    (
        conversations.EntityRequested(
            **BY_ANA, entity=RequestedEntity("deal", "Annual plan"), request_id="r1"
        ),
        'deal "Annual plan" requested by ana, v5',
    ),
    (
        notifications.NotificationRequested(**NOTIFIED),
        'notification to ana (desktop, email), bo (desktop): "Olá! 👋"',
    ),
    (
        notifications.NotificationRequested(
            **NOTIFIED | {"kind": "assignment", "message": None, "part": 1, "parts": 2}
        ),
        "notification to ana (desktop, email), bo (desktop): assignment (part 1 of 2)",
    ),
    (
        notifications.NotificationRequested(
            **NOTIFIED
            | {"recipients": tuple(Recipient(f"u{n}", "unassigned", ("email",)) for n in range(8))}
        ),
        "notification to u0 (email), u1 (email), u2 (email), u3 (email), u4 (email), 3 more: "
        '"Olá! 👋"',
    ),
    (commands.CommandAccepted(**RESULT), "accepted: conversation.assign"),
    (
        commands.CommandRejected(
            **RESULT, code=Rejection.ASSIGNEE_UNAVAILABLE, detail="user cleo is not available"
        ),
        "rejected: assignee_unavailable (conversation.assign: user cleo is not available)",
    ),
    (
        commands.CommandRejected(**RESULT, code=Rejection.SUPERSEDED),
        "rejected: superseded (conversation.assign)",
    ),
    (notes.NoteCreated(**NOTE), "note 0a1b2c3d on person p1 created, r2: 1 message"),
    (
        notes.NoteAppended(**NOTE | {"messages": NOTE["messages"] * 3}),
        "note 0a1b2c3d on person p1 appended, r2: 3 messages",
    ),
    (
        notes.NoteCreated(**NOTE | {"revision": 1}, continues="9f8e7d6c-0000-5000-8000"),
        "note 0a1b2c3d on person p1 created, r1: 1 message, continuing 9f8e7d6c",
    ),
    (messages.MessageAccepted(**SENT), "reply 0a1b2c3d accepted by the provider: queued"),
    (messages.MessageStatusChanged(**SENT), "reply 0a1b2c3d moved on: queued"),
    (
        messages.MessageStatusChanged(
            **SENT | {"status": "undelivered"}, error_code=63024, part=2, parts=3
        ),
        "reply 0a1b2c3d, part 2 of 3, moved on: undelivered, error 63024",
    ),
    (
        messages.MessageFailed(**SENT | {"status": "failed"}, error_code=63016),
        "reply 0a1b2c3d failed, error 63016",
    ),
    (messages.MessageUncertain(**SENT | {"status": "uncertain"}), "reply 0a1b2c3d uncertain"),
]


@pytest.mark.parametrize(("data", "phrase"), PHRASES, ids=[phrase for _, phrase in PHRASES])
def test_an_event_says_what_happened(data: Emitted, phrase: str) -> None:
    assert said(NOW, data).phrase == phrase


def test_every_kind_of_event_has_its_phrase() -> None:
    published = {struct.TYPE for structs in OUTBOUND.values() for struct in structs}
    assert set(RENDERINGS) == published
    assert {data.TYPE for data, _ in PHRASES} == published


def test_a_notification_tells_the_contacts_name() -> None:
    assert said(NOW, notifications.NotificationRequested(**NOTIFIED)).contact_name == "Maria Souza"
    assert said(NOW, conversations.ConversationCreated(**BY_CONTACT)).contact_name is None


def test_below_a_notes_line_stand_its_new_messages() -> None:
    shown = block(said(NOW, notes.NoteAppended(**NOTE)), "Maria Souza").plain
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
    shown = said(NOW, data)
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
    shown = said_dead_letter(NOW, "1:7", headers)
    assert shown.phrase == "dead letter 1:7: unknown_type, inbox.assignments/3/120"


def test_a_dead_letter_of_a_webhook_says_so() -> None:
    headers = {
        "dl_topic": "inbox.messages.received",
        "dl_partition": "-1",
        "dl_offset": "-1",
        "dl_code": "unknown_channel",
    }
    shown = said_dead_letter(NOW, "0:0", headers)
    assert shown.phrase == (
        "dead letter 0:0: unknown_channel, a webhook for inbox.messages.received"
    )


def test_a_dead_letter_without_its_headers_is_shown_all_the_same() -> None:
    assert said_dead_letter(NOW, "0:0", {}).phrase == "dead letter 0:0: ?, ?/?/?"


def test_a_line_has_the_time_the_conversation_the_contact_and_what_happened() -> None:
    shown = line(Said(NOW, ID, "created, v1"), "Maria Souza")
    assert shown.plain == "03:04:05  0a1b2c3d  Maria Souza       created, v1"


def test_columns_stay_where_they_are_without_a_name_and_with_a_long_one() -> None:
    nameless = line(Said(NOW, None, "here"), None).plain
    long = line(Said(NOW, ID, "here"), "Maria Francisca de Souza").plain
    assert nameless.index("here") == long.index("here")
    assert "Maria Francisca…" in long


def test_what_a_contact_wrote_cannot_move_the_cursor_or_break_the_line() -> None:
    hostile = "\x1b[2J\r\nrm -rf\u202e\x07👩\u200d💻 [bold]"
    data = notifications.NotificationRequested(
        **NOTIFIED | {"message": MessagePreview(ID, hostile), "contact_name": hostile}
    )
    shown = line(said(NOW, data), hostile).plain
    assert not [c for c in shown if not c.isprintable() and c != "\u200d"]
    assert '" [2J  rm -rf  👩\u200d💻 [bold]"' in shown


def test_what_a_contact_wrote_stays_below_the_notes_line() -> None:
    hostile = "\x1b[2J\u202e\u200f\x07\t👩\u200d💻 [bold]\r\n03:04:05  forged\x85\u2028b\rc"
    message = notes.NoteMessage(ID, "inbound", hostile, hostile, NOW, hostile, ())
    shown = block(said(NOW, notes.NoteCreated(**NOTE | {"messages": (message,)})), None).plain
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
