"""The result of a command: its version and its ids, and commands that need to change nothing."""

from typing import Any

import pytest

from domain.conversation import Conversation
from schemas.cloudevents import Incoming
from tests.unit.domain.given.samples import (
    ACCOUNT,
    CONVERSATION,
    NOON,
    SECOND,
    assign,
    close,
    conversation,
    kinds,
    reopen,
    result,
)
from tests.unit.domain.given.team_commands import ASSIGNED, CLOSED, decide


@pytest.mark.parametrize(
    ("before", "command"),
    [
        pytest.param(ASSIGNED, assign("bo"), id="assigned to the same"),
        pytest.param(conversation(), assign(None), id="unassigned already"),
        pytest.param(CLOSED, close(), id="closed already"),
        pytest.param(CLOSED, close(time=NOON - SECOND), id="closed already, however old"),
        pytest.param(conversation(), reopen(), id="open already"),
        pytest.param(
            conversation(assignee_id="away"), assign("away"), id="assigned to the same, now away"
        ),
    ],
)
def test_what_is_already_so_is_accepted_and_changes_nothing(
    before: Conversation, command: Incoming[Any]
) -> None:
    decision = decide(before, command)
    assert decision.state.conversation is before
    assert kinds(decision.outgoing) == ["command.accepted"]
    assert result(decision).version == before.version


@pytest.mark.parametrize(
    ("before", "command", "version"),
    [(conversation(), close(), 3), (conversation(), reopen(), 2), (None, close(), 0)],
)
def test_the_result_names_its_command_and_the_version_afterwards(
    before: Conversation | None, command: Incoming[Any], version: int
) -> None:
    answer = result(decide(before, command))
    assert (answer.command_id, answer.command_type) == ("c1", command.type)
    assert (answer.account_id, answer.conversation_id) == (ACCOUNT, CONVERSATION)
    assert answer.version == version


def test_every_event_names_its_cause_and_has_an_id_that_a_replay_gives_again() -> None:
    first, again = (decide(conversation(), assign("bo")).outgoing for _ in range(2))
    assert first == again
    assert len({item.event_id for item in first}) == 3
    assert {item.cause_id for item in first} == {"c1"}


def test_results_of_two_accounts_for_one_command_id_differ() -> None:
    ours, theirs = decide(None, close()), decide(None, close(account_id="globex"))
    assert ours.outgoing[0].event_id != theirs.outgoing[0].event_id
    assert theirs.outgoing[0].data.account_id == "globex"
