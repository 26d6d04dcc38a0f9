"""Receipts in any order, repeated or unknown: the status is their maximum, and moves forward."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import is_later
from domain.receipts import apply, apply_all
from schemas.messages import MessageAccepted, MessageFailed, MessageStatusChanged, MessageUncertain
from tests.unit.domain.given.reply_parts import (
    accepted,
    part,
    part_events,
    posting,
    receipt,
    uncertain,
)

WORDS = st.sampled_from(
    (
        *("scheduled", "accepted", "queued", "sending", "sent"),
        *("canceled", "failed", "undelivered", "delivered", "read"),
        *("teleported", "Delivered", "überfällig"),
    )
)
RECEIPTS = st.lists(
    st.builds(
        receipt,
        WORDS,
        event_id=st.sampled_from(["e1", "e2", "e3"]),
        error_code=st.sampled_from([None, None, 30003, 63016]),
    ),
    max_size=12,
)
PARTS = st.sampled_from([uncertain(), posting(), accepted(), accepted(status="teleported")])


def maximum(words: list[str]) -> str | None:
    best: str | None = None
    for word in words:
        if is_later(word, best):
            best = word
    return best


@given(PARTS, RECEIPTS, st.randoms(use_true_random=False))
def test_the_status_is_the_maximum_whatever_order_receipts_come_in(
    before: Any, receipts: Any, chance: Any
) -> None:
    after, _ = apply_all(before, receipts, 3)
    words = [before.status or "accepted", *(each.status for each in receipts)]
    if receipts or before.status:
        assert after.status == (maximum(words) or "teleported")
    shuffled = receipts * 2
    chance.shuffle(shuffled)
    again, _ = apply_all(before, shuffled, 3)
    assert (again.status, again.state) == (after.status, after.state)


@given(PARTS, RECEIPTS)
def test_events_lead_strictly_forward_and_accepted_comes_first_and_once(
    before: Any, receipts: Any
) -> None:
    _, outgoing = apply_all(before, receipts, 3)
    events = part_events(outgoing)
    assert all(is_later(other.status, one.status) for one, other in pairwise(events))
    kinds = [type(data) for data in events]
    if before.provider_message_id is None and receipts:
        assert kinds.pop(0) is MessageAccepted
    assert set(kinds) <= {MessageStatusChanged}
    assert len({item.event_id for item in outgoing}) == len(outgoing)


@given(PARTS, RECEIPTS)
def test_what_was_applied_before_changes_nothing(before: Any, receipts: Any) -> None:
    after, _ = apply_all(before, receipts, 3)
    assert apply_all(after, receipts, 4) == (after, ())


@pytest.mark.parametrize(
    "before",
    [
        uncertain(),
        uncertain(told_uncertain=True),
        posting(),
        part(),
        part(state="failed", status="failed", error_code=30003),
    ],
    ids=["uncertain", "told", "posting", "queued", "failed"],
)
def test_a_receipt_settles_a_part_that_nobody_knew_to_be_taken(before: Any) -> None:
    after, outgoing = apply(before, receipt("delivered"), 7)
    assert (after.state, after.provider_message_id) == ("accepted", "SM1")
    assert (after.status, after.error_code) == ("delivered", None)
    taken, moved = part_events(outgoing)
    assert isinstance(taken, MessageAccepted)
    assert isinstance(moved, MessageStatusChanged)
    assert (taken.status, moved.status, taken.version) == ("accepted", "delivered", 7)
    assert [item.cause_id for item in outgoing] == ["c1", "receipt delivered"]


def test_a_receipt_of_a_failure_settles_with_its_code() -> None:
    after, outgoing = apply(uncertain(), receipt("undelivered", error_code=30003), 3)
    assert (after.state, after.status, after.error_code) == ("accepted", "undelivered", 30003)
    last = part_events(outgoing)[-1]
    assert (last.status, last.error_code) == ("undelivered", 30003)


def test_a_receipt_of_an_unknown_word_settles_all_the_same() -> None:
    after, outgoing = apply(uncertain(), receipt("teleported"), 3)
    assert (after.state, after.status) == ("accepted", "accepted")
    assert [type(data) for data in part_events(outgoing)] == [MessageAccepted]


def test_a_receipt_of_another_message_says_nothing_of_this_one() -> None:
    before = accepted()
    assert apply(before, receipt("read", provider_message_id="SM2"), 3) == (before, ())


def test_what_arrived_after_all_has_no_error_any_more() -> None:
    receipts = [receipt("failed", error_code=30003), receipt("delivered")]
    after, outgoing = apply_all(accepted(), receipts, 3)
    assert (after.status, after.error_code) == ("delivered", None)
    assert not any(
        isinstance(data, MessageFailed | MessageUncertain) for data in part_events(outgoing)
    )
