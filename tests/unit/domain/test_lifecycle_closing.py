"""Closing and reopening, and when a contact's message supersedes a close."""

import pytest

from schemas.codes import RejectionCode
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import Snapshot
from tests.unit.domain.given.samples import (
    NOON,
    SECOND,
    changes,
    close,
    conversation,
    kinds,
    reopen,
    result,
)
from tests.unit.domain.given.team_commands import ASSIGNED, CLOSED, COMMANDS, NOW, decide


def test_closing_keeps_the_assignment_and_says_when() -> None:
    decision = decide(ASSIGNED, close())
    assert decision.state.conversation == conversation(
        assignee_id="bo", version=4, status="closed", closed_at=NOW
    )
    assert kinds(decision.outgoing) == ["conversation.closed", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("open", "bo"), Snapshot("closed", "bo"))
    assert (event.version, event.actor_id, event.reason) == (4, "ana", "command")


def test_reopening_returns_it_to_the_section_of_its_assignment() -> None:
    before = conversation(assignee_id="bo", status="closed", version=5, closed_at=NOON)
    decision = decide(before, reopen())
    assert decision.state.conversation == conversation(assignee_id="bo", version=6)
    assert kinds(decision.outgoing) == ["conversation.reopened", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("closed", "bo"), Snapshot("open", "bo"))
    assert (event.actor_id, event.reason) == ("ana", "command")


@pytest.mark.parametrize(
    ("issued_after_seconds", "is_closed"),
    [(-3600, False), (-0.000001, False), (0, True), (1, True)],
)
def test_a_close_issued_before_the_newest_inbound_message_was_recorded_is_superseded(
    issued_after_seconds: float, is_closed: bool
) -> None:
    before = conversation(last_inbound_at=NOON)
    decision = decide(before, close(time=NOON + issued_after_seconds * SECOND))
    answer = result(decision)
    if is_closed:
        assert isinstance(answer, CommandAccepted)
        assert decision.state.conversation is not None
        assert decision.state.conversation.status == "closed"
    else:
        assert isinstance(answer, CommandRejected)
        assert answer.code == RejectionCode.SUPERSEDED
        assert decision.state.conversation is before


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "close"])
def test_only_a_close_is_superseded(command: str) -> None:
    long_ago = COMMANDS[command](time=NOON - 3600 * SECOND)
    for before in (conversation(), CLOSED):
        assert isinstance(result(decide(before, long_ago)), CommandAccepted)


def test_historical_messages_alone_supersede_no_close() -> None:
    before = conversation(last_inbound_at=None)
    decision = decide(before, close(time=NOON - 3600 * SECOND))
    assert kinds(decision.outgoing) == ["conversation.closed", "command.accepted"]
