"""The delivery status: receipts only move it forward, and an old refusal closes no new window."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from domain.delivery import close_window, is_known, is_later, window_after_refusal
from domain.windows import WINDOW
from tests.unit.domain.given.samples import HOUR, NOON, SECOND, conversation

FORWARD = ["scheduled", "accepted", "queued", "sending", "sent"]
FINAL = ["canceled", "failed", "undelivered"]
ARRIVED = ["delivered", "read"]


@pytest.mark.parametrize("word", FORWARD + FINAL + ARRIVED)
def test_every_word_of_the_provider_is_after_none_and_not_after_itself(word: str) -> None:
    assert is_known(word)
    assert is_later(word, None)
    assert not is_later(word, word)
    assert is_later(word, "teleported")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *pairwise(FORWARD),
        *((word, final) for word in FORWARD for final in FINAL),
        *((word, arrived) for word in FORWARD + FINAL for arrived in ARRIVED),
        ("delivered", "read"),
    ],
)
def test_a_later_word_leads_forward_and_never_back(before: str, after: str) -> None:
    assert is_later(after, before)
    assert not is_later(before, after)


@pytest.mark.parametrize("status", [None, "queued", "read", "teleported"])
def test_an_unknown_word_changes_nothing(status: str | None) -> None:
    assert not is_known("teleported")
    assert not is_later("teleported", status)


@pytest.mark.parametrize(
    ("until", "posted_at", "expected"),
    [
        (None, NOON, None),
        (NOON + HOUR, NOON, NOON + SECOND),
        (NOON - HOUR, NOON, NOON - HOUR),
        # The contact wrote just when it was posted, and a second later.
        (NOON + WINDOW, NOON, NOON + SECOND),
        (NOON + WINDOW + SECOND, NOON, NOON + WINDOW + SECOND),
        (NOON + WINDOW, NOON - timedelta(days=2), NOON + WINDOW),
    ],
)
def test_a_refusal_closes_the_window_that_it_is_about(
    until: datetime | None, posted_at: datetime, expected: datetime | None
) -> None:
    assert window_after_refusal(until, posted_at, NOON + SECOND) == expected


def test_a_conversation_whose_window_is_refused_is_closed_to_free_texts_and_else_unchanged() -> (
    None
):
    before = conversation(window_until=NOON + HOUR)
    after = close_window(before, NOON, NOON + SECOND)
    assert after == conversation(window_until=NOON + SECOND)


@pytest.mark.parametrize(
    "until",
    [None, NOON - HOUR, NOON + WINDOW + SECOND],
    ids=["no window", "closed already", "the contact wrote again"],
)
def test_a_refusal_that_moves_no_window_returns_the_same_conversation(
    until: datetime | None,
) -> None:
    before = conversation(window_until=until)
    assert close_window(before, NOON, NOON + SECOND) is before
