"""Two conversations of one person: the younger ends, and the older is open if one of them was."""

from typing import Any

import pytest

from domain.conversation_state import ConversationState
from domain.identities import end
from domain.messages import decide_message
from schemas.conversations import ConversationReopened, Snapshot
from schemas.fields import ConversationId
from tests.unit.domain.given.samples import (
    ACCOUNT,
    APP_URL,
    CONVERSATION,
    NOON,
    SECOND,
    changes,
    closed_events,
    conversation,
    directory,
    kinds,
    message,
    notified,
)

NOBODY = directory()


A = ConversationId("a")
"""The older conversation."""


def test_the_younger_is_closed_by_the_system_with_the_older_as_the_reason() -> None:
    younger = conversation(version=7, assignee_id="bo", link_count=2)
    ended, outgoing = end(younger, A, "m1", NOON + SECOND)
    assert ended == conversation(
        version=8,
        assignee_id="bo",
        link_count=2,
        status="closed",
        closed_at=NOON + SECOND,
        merged_into=A,
    )
    (closed,) = closed_events(outgoing)
    assert (closed.account_id, closed.conversation_id, closed.version) == (ACCOUNT, CONVERSATION, 8)
    assert (closed.before, closed.after) == (Snapshot("open", "bo"), Snapshot("closed", "bo"))
    assert (closed.actor_id, closed.reason, closed.merged_into) == (None, "inbound_message", A)
    assert outgoing[0].cause_id == "m1"
    assert outgoing == end(younger, A, "m1", NOON)[1], "a replay has the same ids"


def test_a_younger_one_that_is_closed_already_only_points_to_the_older() -> None:
    younger = conversation(status="closed", closed_at=NOON, version=3)
    ended, outgoing = end(younger, A, "m1", NOON + SECOND)
    assert outgoing == ()
    assert ended == conversation(status="closed", closed_at=NOON, version=3, merged_into=A)


@pytest.mark.parametrize(
    ("historical", "takes_over", "status"),
    [(False, False, "open"), (False, True, "open"), (True, False, "closed"), (True, True, "open")],
)
def test_what_was_open_in_the_younger_is_open_in_the_older_though_the_message_is_historical(
    historical: bool, takes_over: bool, status: str
) -> None:
    before = conversation(status="closed", closed_at=NOON)
    decision = decide_message(
        ConversationState(before),
        message(historical=historical),
        NOON + SECOND,
        directory("ana"),
        APP_URL,
        takes_over=takes_over,
    )
    assert decision.state.conversation
    assert decision.state.conversation.status == status
    reopened = [one for one in changes(decision.outgoing) if isinstance(one, ConversationReopened)]
    assert len(reopened) == (status == "open")
    assert len(notified(decision.outgoing)) == (not historical)


def test_taking_over_reopens_nothing_that_is_open() -> None:
    decision = decide_message(
        ConversationState(conversation()),
        message(historical=True),
        NOON,
        NOBODY,
        APP_URL,
        takes_over=True,
    )
    assert kinds(decision.outgoing) == ["conversation.message_recorded"]


@pytest.mark.parametrize(("opened_at", "made_at"), [(None, NOON), (NOON + SECOND, NOON + SECOND)])
def test_a_new_conversation_is_as_old_as_it_is_told(opened_at: Any, made_at: Any) -> None:
    decision = decide_message(
        ConversationState(), message(), NOON, NOBODY, APP_URL, opened_at=opened_at
    )
    assert decision.state.conversation
    assert decision.state.conversation.created_at == made_at
