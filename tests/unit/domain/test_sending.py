"""The states of a reply's part: what each outcome does to it, and when it is checked."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from domain.delivery import OUTSIDE_WINDOW
from domain.sending import (
    CHECKS_SECONDS,
    POST_SECONDS,
    QUEUED_MAX,
    Failure,
    NotTaken,
    PostOutcome,
    Refused,
    Send,
    State,
    Step,
    Taken,
    Unknown,
    accept,
    after_post,
    begin,
    check_again,
    mark_uncertain,
    next_step,
)
from schemas.messages import MessageAccepted, MessageFailed, MessageUncertain
from tests.unit.domain.given.reply_parts import (
    OPEN,
    accepted,
    part,
    part_events,
    posting,
    uncertain,
)
from tests.unit.domain.given.samples import ACCOUNT, CONVERSATION, NOON, SECOND

MINUTE = timedelta(minutes=1)


def test_a_part_that_is_due_is_posting_before_it_is_posted() -> None:
    moved, outgoing = begin(part(attempts=2), OPEN, NOON, 9)
    assert outgoing == ()
    assert moved == posting(attempts=3, due_at=NOON + POST_SECONDS * SECOND)


@pytest.mark.parametrize(
    ("window_until", "fields", "now", "error_code"),
    [
        (OPEN, {}, OPEN - MINUTE, OUTSIDE_WINDOW),
        (None, {}, NOON, OUTSIDE_WINDOW),
        (None, {"to_address": "messenger:1"}, NOON, OUTSIDE_WINDOW),
        (OPEN + QUEUED_MAX, {}, NOON + QUEUED_MAX + SECOND, None),
        (None, {"to_address": "+4911"}, NOON + QUEUED_MAX + SECOND, None),
        (None, {"content_sid": "HX1"}, NOON + QUEUED_MAX + SECOND, None),
    ],
)
def test_a_part_that_may_not_go_out_any_more_fails_without_a_post(
    window_until: datetime | None, fields: dict[str, Any], now: datetime, error_code: int | None
) -> None:
    before = part(**fields)
    moved, outgoing = begin(before, window_until, now, 9)
    assert moved == replace(before, state="failed", status="failed", error_code=error_code)
    [event] = part_events(outgoing)
    assert isinstance(event, MessageFailed)
    assert (event.status, event.version, event.provider_message_id) == ("failed", 9, UNSET)
    assert event.error_code == (UNSET if error_code is None else error_code)


@pytest.mark.parametrize(
    ("window_until", "fields", "now"),
    [
        (OPEN, {}, OPEN - MINUTE - SECOND),
        (None, {"content_sid": "HX1"}, NOON),
        (None, {"to_address": "+4911"}, NOON + QUEUED_MAX),
    ],
)
def test_a_template_or_a_channel_without_a_window_needs_none(
    window_until: datetime | None, fields: dict[str, Any], now: datetime
) -> None:
    assert begin(part(**fields), window_until, now, 9)[0].state == "posting"


@pytest.mark.parametrize("error_code", [21620, None])
@pytest.mark.parametrize("window_until", [OPEN, None])
def test_what_follows_a_part_that_failed_fails_with_its_code(
    error_code: int | None, window_until: datetime | None
) -> None:
    before = part(part=2, parts=3, attempts=1)
    moved, outgoing = begin(before, window_until, NOON, 9, Failure(error_code))
    assert moved == replace(before, state="failed", status="failed", error_code=error_code)
    [event] = part_events(outgoing)
    assert isinstance(event, MessageFailed)
    assert (event.part, event.error_code) == (2, UNSET if error_code is None else error_code)


def test_why_a_part_waits_is_why_it_fails_in_the_end() -> None:
    waiting, outgoing = after_post(posting(), NotTaken(2.5, 21611), NOON + SECOND, 9)
    assert outgoing == ()
    assert waiting == posting(state="queued", due_at=NOON + 3.5 * SECOND, error_code=21611)
    too_late = NOON + QUEUED_MAX + SECOND
    moved, outgoing = begin(waiting, too_late + QUEUED_MAX, too_late, 9)
    assert (moved.state, moved.error_code) == ("failed", 21611)
    # Its next POST may end otherwise.
    assert begin(waiting, OPEN, NOON + MINUTE, 9)[0].error_code is None


@pytest.mark.parametrize("before", [posting(), uncertain(), uncertain(told_uncertain=True)])
@pytest.mark.parametrize(
    ("outcome", "state", "status", "error_code"),
    [
        (Taken("SM1", "queued"), "accepted", "queued", None),
        (Refused(21610), "failed", "failed", 21610),
        (Refused(None), "failed", "failed", None),
        (Unknown(), "uncertain", None, None),
    ],
)
def test_what_a_post_ended_with_is_what_becomes_of_its_part(
    before: Send, outcome: PostOutcome, state: State, status: str | None, error_code: int | None
) -> None:
    after, outgoing = after_post(before, outcome, NOON + SECOND, 9)
    assert (after.state, after.status, after.error_code) == (state, status, error_code)
    assert (after.attempts, after.told_uncertain) == (1, before.told_uncertain)
    if state == "uncertain":
        assert outgoing == ()
        return
    [event] = part_events(outgoing)
    assert isinstance(event, MessageAccepted if state == "accepted" else MessageFailed)
    assert (event.message_id, event.part, event.parts) == ("reply", 1, 1)
    assert (event.account_id, event.conversation_id) == (ACCOUNT, CONVERSATION)
    assert outgoing[0].cause_id == "c1"


def test_what_was_surely_not_taken_is_queued_again() -> None:
    after, outgoing = after_post(posting(), NotTaken(2.5), NOON + SECOND, 9)
    assert outgoing == ()
    assert after == posting(state="queued", due_at=NOON + 3.5 * SECOND)


@pytest.mark.parametrize("told_uncertain", [False, True])
def test_what_others_gave_up_is_not_posted_again_though_it_was_not_taken(
    told_uncertain: bool,
) -> None:
    before = uncertain(told_uncertain=told_uncertain)
    after, outgoing = after_post(before, NotTaken(0, 21611), NOON + MINUTE, 9)
    assert (after.state, after.error_code) == ("failed", 21611)
    assert [type(event) for event in part_events(outgoing)] == [MessageFailed]


@pytest.mark.parametrize("outcome", [Taken("SM2", "sent"), NotTaken(1), Refused(1), Unknown()])
@pytest.mark.parametrize(
    "before", [accepted(), part(state="failed", status="failed"), part(attempts=1)]
)
def test_an_outcome_that_comes_after_the_part_moved_on_changes_nothing(
    before: Send, outcome: PostOutcome
) -> None:
    assert after_post(before, outcome, NOON, 9) == (before, ())


def test_an_event_of_a_part_has_an_id_of_its_own() -> None:
    outgoing = [
        accept(send, "SM1", status, version)[1][0]
        for send in (part(), part(part=2), part(message_id="other"), part(account_id="other"))
        for status in ("queued", "sent")
        for version in (3, 4)
    ]
    assert len({item.event_id for item in outgoing}) == len(outgoing)
    again = accept(part(), "SM1", "queued", 3)[1][0]
    assert again.event_id == outgoing[0].event_id


def due(send: Send, *, now: datetime = NOON) -> Step:
    return next_step([send], now)


LATER = NOON + SECOND


@pytest.mark.parametrize(
    ("unsettled", "post", "overdue", "checks"),
    [
        ([], None, [], []),
        ([part()], 3, [], []),
        ([part(due_at=LATER)], None, [], []),
        # In the order of sending: a part waits for the one before it, for any reason.
        ([part(), part(version=4)], 3, [], []),
        ([part(due_at=LATER), part(version=4)], None, [], []),
        ([posting(due_at=LATER), part(version=4)], None, [], []),
        ([posting(), part(version=4)], None, [3], []),
        # But it does not wait for a part that is never posted again.
        ([uncertain(due_at=LATER), part(version=4)], 4, [], []),
        ([uncertain(), part(version=4)], 4, [], [3]),
        ([uncertain(told_uncertain=True), part(version=4)], 4, [], []),
        ([uncertain(), uncertain(version=4), posting(version=5)], None, [5], [3, 4]),
    ],
)
def test_the_next_step_of_a_conversation(
    unsettled: list[Send], post: int | None, overdue: list[int], checks: list[int]
) -> None:
    step = next_step(unsettled, NOON)
    assert (step.post.version if step.post else None) == post
    assert [send.version for send in step.overdue] == overdue
    assert [send.version for send in step.checks] == checks


@pytest.mark.parametrize(
    ("after_seconds", "next_seconds"),
    [(0, 15), (10, 15), (15, 60), (30, 60), (60, 180), (179, 180), (180, 600), (600, 600)],
)
def test_a_part_in_doubt_is_looked_for_ever_more_seldom(
    after_seconds: int, next_seconds: int
) -> None:
    now = NOON + after_seconds * SECOND
    after, outgoing = mark_uncertain(posting(), now)
    assert (after.state, outgoing) == ("uncertain", ())
    assert after.due_at == NOON + next_seconds * SECOND
    if after_seconds < CHECKS_SECONDS[-1]:
        again, outgoing = check_again(after, now, 9)
        assert (again, outgoing) == (after, ())


def test_people_are_told_once_when_nobody_looks_any_more() -> None:
    last = NOON + CHECKS_SECONDS[-1] * SECOND
    after, outgoing = check_again(uncertain(), last, 9)
    assert after == uncertain(told_uncertain=True)
    [event] = part_events(outgoing)
    assert isinstance(event, MessageUncertain)
    assert (event.status, event.provider_message_id, event.error_code) == (
        "uncertain",
        UNSET,
        UNSET,
    )
    assert next_step([after], last + timedelta(days=1)) == Step(None, (), ())
    # The check of another worker began before this one, and ended later.
    assert check_again(after, last, 10) == (after, ())
