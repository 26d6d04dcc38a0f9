"""Replying: a user's reply is recorded as an outbound message, and joins the notes."""

from datetime import UTC, timedelta, timezone
from typing import Any
from uuid import uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.directory import Channel, Directory
from domain.parts import PART_CHARACTERS_MAX, PARTS_MAX
from domain.thread import Decision, Thread
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import MessageRecorded, Snapshot
from schemas.ids import NAMESPACE
from schemas.messages import Media
from schemas.notes import NoteAppended, NoteCreated, NoteMessage
from tests.unit.domain.given import (
    ACCOUNT,
    APP_URL,
    CHANNEL,
    CONVERSATION,
    HOUR,
    NOON,
    SECOND,
    changes,
    channel,
    close,
    conversation,
    directory,
    entity,
    kinds,
    linked,
    notes,
    notified,
    reply,
    result,
    user,
)

TEAM = directory("ana", "bo")
NOW = NOON + 60 * SECOND
REPLY_ID = str(uuid5(NAMESPACE, "acme/c1"))


def decide(
    command: Incoming[Any],
    before: Conversation | None = None,
    known: Directory = TEAM,
) -> Decision:
    thread = Thread(before or conversation())
    return decide_command(thread, command, NOW, known, APP_URL, channel=channel())


@pytest.mark.parametrize(
    "before",
    [conversation(), conversation(status="closed", closed_at=NOON, assignee_id="bo")],
    ids=["open", "closed"],
)
def test_a_reply_is_recorded_and_neither_reopens_nor_notifies(before: Conversation) -> None:
    decision = decide(reply(time=NOON + SECOND), before)
    assert kinds(decision.outgoing) == ["conversation.message_recorded", "command.accepted"]
    assert notified(decision.outgoing) == []
    assert decision.thread.conversation == msgspec.structs.replace(
        before,
        version=3,
        message_count=2,
        last_message_at=NOON + SECOND,
        last_direction="outbound",
    )
    (event,) = changes(decision.outgoing)
    assert isinstance(event, MessageRecorded)
    assert (event.version, event.actor_id, event.reason) == (3, "ana", "reply")
    assert event.before == event.after == Snapshot(before.status, before.assignee_id)
    assert (event.message_id, event.provider_message_id) == (REPLY_ID, None)
    assert (event.direction, event.sent_at) == ("outbound", NOON + SECOND)
    assert event.historical is False
    assert result(decision).version == 3


def test_the_recorded_event_says_all_of_the_reply_but_its_text() -> None:
    command = reply("secret words", media_urls=("https://example.com/secret.png",))
    decision = decide(command)
    assert b"secret" not in msgspec.json.encode([item.data for item in decision.outgoing])


def test_the_message_to_be_recorded_is_what_the_user_wrote() -> None:
    time = (NOON + SECOND).astimezone(timezone(timedelta(hours=5, minutes=30)))
    message = decide(reply("Hi", media_urls=("https://a.b/1.png",), time=time)).message
    assert message is not None
    assert msgspec.structs.asdict(message) == {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "message_id": REPLY_ID,
        "channel_id": CHANNEL,
        "provider_message_id": None,
        "direction": "outbound",
        "sender_name": "Ana",
        "sender_address": "whatsapp:+1",
        "body": "Hi",
        "media": (Media("https://a.b/1.png", "image/png"),),
        "sent_at": NOON + SECOND,
        "historical": False,
        "version": 3,
    }
    assert message.sent_at.tzinfo is UTC


def test_a_reply_with_a_template_alone_has_no_text() -> None:
    message = decide(reply("", content_sid="HX1")).message
    assert message is not None
    assert (message.body, message.media) == ("", ())


@pytest.mark.parametrize("known", [None, channel(removed=True)], ids=["unknown", "removed"])
def test_a_reply_needs_a_channel_that_is_installed(known: Channel | None) -> None:
    thread = Thread(conversation(), links=(linked(),))
    decision = decide_command(thread, reply(), NOW, TEAM, APP_URL, channel=known)
    assert decision.thread is thread
    assert decision.message is None
    assert kinds(decision.outgoing) == ["command.rejected"]
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    assert (answer.code, answer.detail) == (Rejection.UNKNOWN_CHANNEL, "no channel wa1")


@pytest.mark.parametrize(
    ("last_message_at", "after"),
    [(None, NOON), (NOON - SECOND, NOON), (NOON + SECOND, NOON + SECOND)],
)
def test_the_newest_message_is_the_one_sent_last(last_message_at: Any, after: Any) -> None:
    state = decide(reply(), conversation(last_message_at=last_message_at)).thread.conversation
    assert state is not None
    assert state.last_message_at == after


def test_a_reply_supersedes_no_close() -> None:
    replied = decide(reply(time=NOON + 2 * SECOND)).thread
    command = close(event_id="c2", time=NOON + SECOND)
    decision = decide_command(replied, command, NOW, TEAM, APP_URL)
    assert isinstance(result(decision), CommandAccepted)


@pytest.mark.parametrize(
    ("url", "content_type"),
    [
        ("https://a.b/photo.png", "image/png"),
        ("https://a.b/photo.JPG", "image/jpeg"),
        ("https://a.b/bill.pdf?token=a.png", "application/pdf"),
        ("https://a.b/film.mp4#a.png", "video/mp4"),
        ("https://a.b/?name=photo.png", "application/octet-stream"),
        ("https://a.b/photo.png/", "application/octet-stream"),
        ("https://a.b/photo", "application/octet-stream"),
        ("https://a.b/photo.unheard-of", "application/octet-stream"),
        ("not an address", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_name_tells(url: str, content_type: str) -> None:
    message = decide(reply(media_urls=(url, "https://a.b/1.gif"))).message
    assert message is not None
    assert message.media == (Media(url, content_type), Media("https://a.b/1.gif", "image/gif"))


def test_a_reply_joins_the_notes_of_all_links() -> None:
    before = conversation(link_count=2)
    thread = Thread(before, links=(linked("deal:1"), linked("person:1", left_alone=True)))
    command = reply("Hi", media_urls=("https://a.b/1.png",), time=NOON + HOUR)
    known = directory(user("ana", name="A" * 300))
    decision = decide_command(thread, command, NOW, known, APP_URL, channel=channel())
    assert kinds(decision.outgoing) == [
        "conversation.message_recorded",
        "note.appended",
        "note.created",
        "command.accepted",
    ]
    appended, created = notes(decision.outgoing)
    assert isinstance(appended, NoteAppended)
    assert isinstance(created, NoteCreated)
    assert (appended.entity, created.entity) == (entity("deal:1"), entity("person:1"))
    assert (created.starts_at, created.version) == (NOON + HOUR, 3)
    assert appended.messages == created.messages
    assert appended.messages == (
        NoteMessage(
            message_id=REPLY_ID,
            direction="outbound",
            sender_name="A" * 255 + "…",
            sender_address="whatsapp:+1",
            sent_at=NOON + HOUR,
            body="Hi",
            media=(Media("https://a.b/1.png", "image/png"),),
        ),
    )
    assert [link.note.message_count for link in decision.thread.links] == [2, 1]


def test_two_commands_are_two_messages_and_one_command_is_one() -> None:
    ids = [
        message.message_id
        for command in (reply(), reply("Other words"), reply(event_id="c2"))
        if (message := decide(command).message)
    ]
    assert ids[0] == ids[1] != ids[2]


OPEN = NOON + 24 * HOUR
MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("window_until", "address", "left", "may"),
    [
        (OPEN, "whatsapp:+4911", MINUTE + SECOND, True),
        # Clocks differ: the last minute is not relied on.
        (OPEN, "whatsapp:+4911", MINUTE, False),
        (OPEN, "messenger:17", MINUTE, False),
        (OPEN, "whatsapp:+4911", -SECOND, False),
        (None, "whatsapp:+4911", HOUR, False),
        (None, "messenger:17", HOUR, False),
        (None, "+4911", -HOUR, True),
    ],
)
def test_a_free_text_needs_a_window_that_is_open(
    window_until: Any, address: str, left: timedelta, may: bool
) -> None:
    before = conversation(window_until=window_until, contact_address=address)
    decision = decide_command(
        Thread(before), reply(), OPEN - left, TEAM, APP_URL, channel=channel()
    )
    answer = result(decision)
    assert isinstance(answer, CommandAccepted) is may
    assert bool(decision.sends) is may
    if isinstance(answer, CommandRejected):
        assert answer.code is Rejection.WINDOW_CLOSED
        assert decision.thread.conversation is before


def test_a_template_needs_no_window_and_goes_out_without_its_text() -> None:
    command = reply("Hi Ana", content_sid="HX1", content_variables={"1": "Ana"})
    decision = decide(command, conversation(window_until=None))
    [send] = decision.sends
    assert (send.body, send.content_sid, send.content_variables) == ("", "HX1", {"1": "Ana"})
    assert decision.message is not None
    assert decision.message.body == "Hi Ana"


def test_variables_without_a_template_are_left_out() -> None:
    [send] = decide(reply("Hi", content_variables={"1": "Ana"})).sends
    assert (send.body, send.content_sid, send.content_variables) == ("Hi", None, None)


def test_a_reply_is_queued_as_it_was_asked_for() -> None:
    files = ("https://a.b/1.png", "https://a.b/2.png")
    decision = decide(reply("Hi", media_urls=files, time=NOON - HOUR))
    [send] = decision.sends
    assert msgspec.structs.asdict(send) == {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "version": 3,
        "part": 1,
        "parts": 1,
        "message_id": REPLY_ID,
        "command_id": "c1",
        "channel_id": CHANNEL,
        "from_address": "whatsapp:+1",
        "to_address": "whatsapp:+4911",
        "body": "Hi",
        "media_urls": files,
        "content_sid": None,
        "content_variables": None,
        "state": "queued",
        "attempts": 0,
        "created_at": NOW,
        "due_at": NOW,
        "posting_at": None,
        "provider_message_id": None,
        "status": None,
        "error_code": None,
        "told_uncertain": False,
    }


@given(st.integers(0, PARTS_MAX * PART_CHARACTERS_MAX), st.booleans())
def test_a_long_reply_is_as_many_parts_as_it_needs_with_its_files_at_the_first(
    length: int, has_file: bool
) -> None:
    files = ("https://a.b/1.png",) if has_file or not length else ()
    sends = decide(reply("x" * length, media_urls=files)).sends
    assert "".join(send.body for send in sends) == "x" * length
    assert [send.part for send in sends] == list(range(1, len(sends) + 1))
    assert {send.parts for send in sends} == {len(sends)}
    assert [send.media_urls for send in sends] == [files, *[()] * (len(sends) - 1)]
    assert {(send.message_id, send.version) for send in sends} == {(REPLY_ID, 3)}


@pytest.mark.parametrize(
    ("fields", "is_too_long"),
    [
        ({"body": "x" * PARTS_MAX * PART_CHARACTERS_MAX}, False),
        ({"body": "x" * (PARTS_MAX * PART_CHARACTERS_MAX + 1)}, True),
        # The text that goes with a template is not sent.
        ({"body": "x" * (PARTS_MAX * PART_CHARACTERS_MAX + 1), "content_sid": "HX1"}, False),
    ],
)
def test_a_reply_of_too_many_parts_is_rejected(fields: dict[str, Any], is_too_long: bool) -> None:
    decision = decide(reply(**fields))
    answer = result(decision)
    assert isinstance(answer, CommandRejected) is is_too_long
    if isinstance(answer, CommandRejected):
        assert (answer.code, decision.sends) == (Rejection.TOO_LONG, ())
        assert answer.detail == "16001 characters, at most 10 parts are sent"


@pytest.mark.parametrize(
    ("fields", "known", "code"),
    [
        ({"body": "x" * 20_000}, None, Rejection.UNKNOWN_CHANNEL),
        ({"body": "x" * 20_000}, channel(), Rejection.TOO_LONG),
        ({"body": "x"}, channel(), Rejection.WINDOW_CLOSED),
    ],
)
def test_of_several_reasons_to_reject_a_reply_the_first_one_counts(
    fields: dict[str, Any], known: Channel | None, code: Rejection
) -> None:
    thread = Thread(conversation(window_until=None))
    answer = result(decide_command(thread, reply(**fields), NOW, TEAM, APP_URL, channel=known))
    assert isinstance(answer, CommandRejected)
    assert answer.code is code
