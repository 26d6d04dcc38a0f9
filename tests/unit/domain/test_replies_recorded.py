"""A user's reply is recorded as an outbound message, and joins the notes."""

from datetime import UTC, timedelta, timezone
from typing import Any

import msgspec
import pytest

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.conversation_state import ConversationState
from schemas.commands import CommandAccepted
from schemas.conversations import MessageRecorded, Snapshot
from schemas.messages import Media
from schemas.notes import NoteAppended, NoteCreated, NoteMessage
from tests.unit.domain.given.samples import (
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
from tests.unit.domain.given.team_replies import NOW, REPLY_ID, TEAM, decide


@pytest.mark.parametrize(
    "before",
    [conversation(), conversation(status="closed", closed_at=NOON, assignee_id="bo")],
    ids=["open", "closed"],
)
def test_a_reply_is_recorded_and_neither_reopens_nor_notifies(before: Conversation) -> None:
    decision = decide(reply(time=NOON + SECOND), before)
    assert kinds(decision.outgoing) == ["conversation.message_recorded", "command.accepted"]
    assert notified(decision.outgoing) == []
    assert decision.state.conversation == msgspec.structs.replace(
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
        "context": None,
    }
    assert message.sent_at.tzinfo is UTC


def test_a_reply_with_a_template_alone_has_no_text() -> None:
    message = decide(reply("", content_sid="HX1")).message
    assert message is not None
    assert (message.body, message.media) == ("", ())


@pytest.mark.parametrize(
    ("last_message_at", "after"),
    [(None, NOON), (NOON - SECOND, NOON), (NOON + SECOND, NOON + SECOND)],
)
def test_the_newest_message_is_the_one_sent_last(last_message_at: Any, after: Any) -> None:
    state = decide(reply(), conversation(last_message_at=last_message_at)).state.conversation
    assert state is not None
    assert state.last_message_at == after


def test_a_reply_supersedes_no_close() -> None:
    replied = decide(reply(time=NOON + 2 * SECOND)).state
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
    state = ConversationState(before, links=(linked("deal:1"), linked("person:1", left_alone=True)))
    command = reply("Hi", media_urls=("https://a.b/1.png",), time=NOON + HOUR)
    known = directory(user("ana", name="A" * 300))
    decision = decide_command(state, command, NOW, known, APP_URL, channel=channel())
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
    assert [link.note.message_count for link in decision.state.links] == [2, 1]


def test_two_commands_are_two_messages_and_one_command_is_one() -> None:
    ids = [
        message.message_id
        for command in (reply(), reply("Other words"), reply(event_id="c2"))
        if (message := decide(command).message)
    ]
    assert ids[0] == ids[1] != ids[2]
