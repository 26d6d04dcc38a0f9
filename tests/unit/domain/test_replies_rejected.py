"""When a reply is rejected: no channel, no window, nothing to send, or too much."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import UNSET

from domain.commands import decide_command
from domain.conversation_state import ConversationState
from domain.directory import Channel
from domain.parts import PART_CHARACTERS_MAX, PARTS_MAX
from schemas.codes import RejectionCode
from schemas.commands import CommandAccepted, CommandRejected
from tests.unit.domain.given.samples import (
    APP_URL,
    HOUR,
    NOON,
    SECOND,
    channel,
    conversation,
    kinds,
    linked,
    reply,
    result,
)
from tests.unit.domain.given.team_replies import NOW, TEAM, decide

OPEN = NOON + 24 * HOUR
MINUTE = 60 * SECOND


@pytest.mark.parametrize("known", [None, channel(removed=True)], ids=["unknown", "removed"])
def test_a_reply_needs_a_channel_that_is_installed(known: Channel | None) -> None:
    state = ConversationState(conversation(), links=(linked(),))
    decision = decide_command(state, reply(), NOW, TEAM, APP_URL, channel=known)
    assert decision.state is state
    assert decision.message is None
    assert kinds(decision.outgoing) == ["command.rejected"]
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    assert (answer.code, answer.detail) == (RejectionCode.UNKNOWN_CHANNEL, "no channel wa1")


@pytest.mark.parametrize(
    ("window_until", "address", "left", "may"),
    [
        (OPEN, "whatsapp:+4911", MINUTE + SECOND, True),
        # Clocks differ, so the last minute is not used.
        (OPEN, "whatsapp:+4911", MINUTE, False),
        (OPEN, "messenger:17", MINUTE, False),
        (OPEN, "whatsapp:+4911", -SECOND, False),
        (None, "whatsapp:+4911", HOUR, False),
        (None, "messenger:17", HOUR, False),
        (None, "+4911", -HOUR, True),
        (None, "rcs:+4911", -HOUR, True),
    ],
)
def test_a_free_text_needs_a_window_that_is_open(
    window_until: Any, address: str, left: timedelta, may: bool
) -> None:
    before = conversation(window_until=window_until, contact_address=address)
    decision = decide_command(
        ConversationState(before), reply(), OPEN - left, TEAM, APP_URL, channel=channel()
    )
    answer = result(decision)
    assert isinstance(answer, CommandAccepted) is may
    assert bool(decision.sends) is may
    if isinstance(answer, CommandRejected):
        assert answer.code is RejectionCode.WINDOW_CLOSED
        assert decision.state.conversation is before


@pytest.mark.parametrize(
    ("fields", "is_too_long"),
    [
        ({"body": "x" * PARTS_MAX * PART_CHARACTERS_MAX}, False),
        ({"body": "x" * (PARTS_MAX * PART_CHARACTERS_MAX + 1)}, True),
        # The text of a reply with a template is not sent.
        ({"body": "x" * (PARTS_MAX * PART_CHARACTERS_MAX + 1), "content_sid": "HX1"}, False),
    ],
)
def test_a_reply_of_too_many_parts_is_rejected(fields: dict[str, Any], is_too_long: bool) -> None:
    decision = decide(reply(**fields))
    answer = result(decision)
    assert isinstance(answer, CommandRejected) is is_too_long
    if isinstance(answer, CommandRejected):
        assert (answer.code, decision.sends) == (RejectionCode.TOO_LONG, ())
        assert answer.detail == "16001 characters, at most 10 parts are sent"


FILE = "https://a.b/1.png"


@pytest.mark.parametrize(
    ("fields", "address", "detail"),
    [
        ({"media_urls": (FILE,) * 11}, "+4911", "11 files, at most 10 are sent"),
        ({"media_urls": (FILE,) * 10}, "+4911", None),
        ({"media_urls": (FILE,) * 10}, "whatsapp:+4911", None),
        ({"media_urls": (FILE,) * 11}, "whatsapp:+4911", "11 files, at most 10 are sent"),
        (
            {"media_urls": (FILE,) * 10},
            "messenger:17",
            "2 characters and 10 files, at most 10 parts are sent",
        ),
    ],
)
def test_a_reply_of_too_many_files_is_rejected(
    fields: dict[str, Any], address: str, detail: str | None
) -> None:
    answer = result(decide(reply(**fields), conversation(contact_address=address)))
    if detail is None:
        assert isinstance(answer, CommandAccepted)
    else:
        assert isinstance(answer, CommandRejected)
        assert (answer.code, answer.detail) == (RejectionCode.TOO_LONG, detail)


@pytest.mark.parametrize("body", ["", " ", "\n\u00a0\u3000", "\u200b\u2060", "\u2800"])
@pytest.mark.parametrize("address", ["+4911", "whatsapp:+4911"])
def test_a_reply_without_anything_to_see_is_rejected(body: Any, address: str) -> None:
    before = conversation(contact_address=address)
    answer = result(decide(reply(body, content_variables={"1": "Ana"}), before))
    assert isinstance(answer, CommandRejected)
    assert answer.code is RejectionCode.EMPTY
    assert answer.detail == "the text is blank, and there are no files"


@pytest.mark.parametrize("fields", [{"media_urls": (FILE,)}, {"content_sid": "HX1"}], ids=str)
@pytest.mark.parametrize("body", ["", " ", UNSET])
def test_files_or_a_template_need_no_text(body: Any, fields: dict[str, Any]) -> None:
    decision = decide(reply(body, **fields))
    assert isinstance(result(decision), CommandAccepted)
    [send] = decision.sends
    assert (send.body, send.media_urls) == ("", fields.get("media_urls", ()))
    assert decision.message is not None
    assert decision.message.body == (body or "")


def test_files_beside_a_template_need_a_window_too() -> None:
    closed = conversation(window_until=None)
    answer = result(decide(reply(content_sid="HX1", media_urls=(FILE,)), closed))
    assert isinstance(answer, CommandRejected)
    assert answer.code is RejectionCode.WINDOW_CLOSED


@pytest.mark.parametrize(
    ("fields", "known", "code"),
    [
        ({"body": "x" * 20_000}, None, RejectionCode.UNKNOWN_CHANNEL),
        ({"body": " "}, None, RejectionCode.UNKNOWN_CHANNEL),
        ({"body": "x" * 20_000}, channel(), RejectionCode.TOO_LONG),
        ({"body": " "}, channel(), RejectionCode.EMPTY),
        ({"body": "x"}, channel(), RejectionCode.WINDOW_CLOSED),
    ],
)
def test_of_several_reasons_to_reject_a_reply_the_first_one_counts(
    fields: dict[str, Any], known: Channel | None, code: RejectionCode
) -> None:
    state = ConversationState(conversation(window_until=None))
    answer = result(decide_command(state, reply(**fields), NOW, TEAM, APP_URL, channel=known))
    assert isinstance(answer, CommandRejected)
    assert answer.code is code
