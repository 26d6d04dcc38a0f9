"""When a reply is rejected: without a channel, without a window, or because it is too long."""

from datetime import timedelta
from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("fields", "known", "code"),
    [
        ({"body": "x" * 20_000}, None, RejectionCode.UNKNOWN_CHANNEL),
        ({"body": "x" * 20_000}, channel(), RejectionCode.TOO_LONG),
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
