"""A user's reply is queued to be sent, in as many parts as it needs."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.parts import PART_CHARACTERS_MAX, PARTS_MAX
from tests.unit.domain.given.samples import (
    ACCOUNT,
    CHANNEL,
    CONVERSATION,
    HOUR,
    NOON,
    conversation,
    reply,
)
from tests.unit.domain.given.team_replies import NOW, REPLY_ID, decide


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
    files = ("https://a.b/1.png",)
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
        "provider_account_id": None,
        "webhook_account_id": None,
    }


def test_files_are_parts_of_their_own_and_a_template_goes_before_them() -> None:
    files = ("https://a.b/1.ogg", "https://a.b/2.JPG?x=1", "https://a.b/3")
    sends = decide(reply("Hi", media_urls=files)).sends
    assert [(send.body, *send.media_urls) for send in sends] == [
        ("", files[0]),
        ("Hi", files[1]),
        ("", files[2]),
    ]
    command = reply("Hi", media_urls=files[:1], content_sid="HX1", content_variables={"1": "Ana"})
    first, second = decide(command).sends
    assert (first.content_sid, first.content_variables, first.media_urls) == (
        "HX1",
        {"1": "Ana"},
        (),
    )
    assert (second.content_sid, second.content_variables, second.media_urls) == (
        None,
        None,
        files[:1],
    )


@given(st.integers(1, PARTS_MAX * PART_CHARACTERS_MAX), st.booleans())
def test_a_long_sms_is_as_many_parts_as_it_needs_with_its_files_at_the_first(
    length: int, has_files: bool
) -> None:
    files = ("https://a.b/1.png", "https://a.b/2.pdf") if has_files else ()
    before = conversation(contact_address="+4911")
    sends = decide(reply("x" * length, media_urls=files), before).sends
    assert "".join(send.body for send in sends) == "x" * length
    assert [send.part for send in sends] == list(range(1, len(sends) + 1))
    assert {send.parts for send in sends} == {len(sends)}
    assert [send.media_urls for send in sends] == [files, *[()] * (len(sends) - 1)]
    assert {(send.message_id, send.version) for send in sends} == {(REPLY_ID, 3)}
