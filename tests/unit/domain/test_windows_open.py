"""The window of a contact: when it is open, when it is watched, and the result of a check."""

from datetime import datetime
from typing import Any

import pytest

from domain.conversation import Conversation
from domain.conversation_state import ConversationState
from domain.messages import decide_message
from domain.windows import (
    MARGIN,
    WARN_BEFORE,
    WINDOW,
    WindowCheck,
    check_window,
    is_to_be_watched,
    may_write,
    window_after,
)
from tests.unit.domain.given.samples import ADDRESS, APP_URL, HOUR, NOON, SECOND, message
from tests.unit.domain.given.watched_windows import KNOWN, UNTIL, watched

MESSENGER, SMS = "messenger:1234", "+4911"


def test_a_window_is_open_for_24_hours_and_told_of_one_hour_before_it_closes() -> None:
    assert (WINDOW, WARN_BEFORE, MARGIN) == (24 * HOUR, HOUR, 60 * SECOND)


@pytest.mark.parametrize(
    ("until", "address", "sent_at", "after"),
    [
        (None, ADDRESS, NOON, UNTIL),
        (None, MESSENGER, NOON, UNTIL),
        (None, SMS, NOON, None),
        (UNTIL, SMS, NOON, UNTIL),
        (NOON + HOUR, ADDRESS, NOON, UNTIL),
        (UNTIL, ADDRESS, NOON - HOUR, UNTIL),
        (None, ADDRESS, NOON + 48 * HOUR, UNTIL + SECOND),
    ],
    ids=["WhatsApp", "Messenger", "SMS", "SMS besides", "longer", "late", "a fast clock"],
)
def test_a_window_is_open_until_24_hours_after_the_contacts_newest_message(
    until: datetime | None, address: str, sent_at: datetime, after: datetime | None
) -> None:
    assert window_after(until, address, sent_at, NOON + SECOND) == after


@pytest.mark.parametrize(
    ("until", "address", "may"),
    [
        (NOON + MARGIN + SECOND, ADDRESS, True),
        (NOON + MARGIN, ADDRESS, False),
        (NOON - HOUR, MESSENGER, False),
        (None, ADDRESS, False),
        (None, SMS, True),
    ],
)
def test_a_free_text_may_be_sent_until_the_last_minute(
    until: datetime | None, address: str, may: bool
) -> None:
    assert may_write(until, address, NOON) is may


@pytest.mark.parametrize(
    ("before", "until", "now", "watch"),
    [
        (None, UNTIL, NOON, True),
        (None, UNTIL, UNTIL - SECOND, True),
        (None, UNTIL, UNTIL, False),
        (None, None, NOON, False),
        (UNTIL - SECOND, UNTIL, UNTIL - SECOND, True),
        (UNTIL, UNTIL, UNTIL - WARN_BEFORE - SECOND, True),
        (UNTIL, UNTIL, UNTIL - WARN_BEFORE, False),
    ],
    ids=["new", "about to close", "closed", "none", "moved", "early", "told of already"],
)
def test_a_window_is_watched_while_it_is_open_unless_it_may_have_been_told_of(
    before: datetime | None, until: datetime | None, now: datetime, watch: bool
) -> None:
    assert is_to_be_watched(before, until, now) is watch


@pytest.mark.parametrize(
    ("before", "fields", "watch"),
    [
        (None, {}, True),
        (None, {"historical": True}, False),
        (None, {"address": SMS}, False),
        (None, {"sent_at": NOON - WINDOW}, False),
        (watched(), {"historical": True}, True),
        (watched(), {"sent_at": NOON - WINDOW}, True),
        (watched(window_watched=False), {}, True),
        (watched(window_watched=False), {"historical": True}, False),
    ],
)
def test_a_message_that_wants_to_be_seen_has_its_window_watched(
    before: Conversation | None, fields: dict[str, Any], watch: bool
) -> None:
    decision = decide_message(ConversationState(before), message(**fields), NOON, KNOWN, APP_URL)
    assert decision.state.conversation is not None
    assert decision.state.conversation.window_watched is watch


@pytest.mark.parametrize(
    ("fields", "now", "check"),
    [
        ({}, UNTIL - WARN_BEFORE, WindowCheck(None, True)),
        ({}, UNTIL - SECOND, WindowCheck(None, True)),
        ({}, UNTIL, WindowCheck(None)),
        ({}, UNTIL - WARN_BEFORE - SECOND, WindowCheck(UNTIL - WARN_BEFORE)),
        ({"status": "closed"}, UNTIL - WARN_BEFORE - SECOND, WindowCheck(UNTIL - WARN_BEFORE)),
        ({"last_direction": "outbound"}, UNTIL - WARN_BEFORE, WindowCheck(None)),
        ({"last_direction": None}, UNTIL - WARN_BEFORE, WindowCheck(None)),
        ({"status": "closed"}, UNTIL - WARN_BEFORE, WindowCheck(None)),
        ({"merged_into": "other"}, UNTIL - WARN_BEFORE, WindowCheck(None)),
        ({"window_watched": False}, UNTIL - WARN_BEFORE, WindowCheck(None)),
        ({"window_watched": False}, NOON, WindowCheck(None)),
        ({"window_until": None}, UNTIL - WARN_BEFORE, WindowCheck(None)),
    ],
    ids=str,
)
def test_a_look_at_a_window_warns_once_or_waits_or_ends(
    fields: dict[str, Any], now: datetime, check: WindowCheck
) -> None:
    assert check_window(watched(**fields), now) == check
