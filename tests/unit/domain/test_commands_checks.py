"""Who may issue commands, and the order in which a command is checked."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.conversation import Conversation
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.commands import CommandAccepted
from tests.unit.domain.given.samples import (
    CONVERSATION,
    NOON,
    SECOND,
    assign,
    close,
    conversation,
    directory,
    result,
)
from tests.unit.domain.given.team_commands import ASSIGNED, CLOSED, COMMANDS, decide, rejected

every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))


@every_command
def test_a_command_on_an_unknown_conversation_is_rejected_with_version_0(
    command: Callable[..., Incoming[Any]],
) -> None:
    answer = rejected(None, command())
    assert (answer.code, answer.version) == (RejectionCode.UNKNOWN_CONVERSATION, 0)
    assert answer.conversation_id == CONVERSATION
    assert CONVERSATION in str(answer.detail)


@every_command
@pytest.mark.parametrize(
    ("actor_id", "code"),
    [
        ("stranger", RejectionCode.UNKNOWN_USER),
        ("untold", RejectionCode.UNKNOWN_USER),
        ("outsider", RejectionCode.NO_INBOX_ACCESS),
    ],
)
def test_only_users_with_inbox_access_may_command(
    command: Callable[..., Incoming[Any]], actor_id: str, code: RejectionCode
) -> None:
    answer = rejected(conversation(), command(actor_id=actor_id))
    assert (answer.code, answer.version) == (code, 2)
    assert actor_id in str(answer.detail)


@every_command
def test_an_unavailable_user_may_command(command: Callable[..., Incoming[Any]]) -> None:
    assert isinstance(result(decide(conversation(), command(actor_id="away"))), CommandAccepted)


@every_command
@pytest.mark.parametrize("expected_version", [1, 3])
def test_another_version_than_expected_is_rejected(
    command: Callable[..., Incoming[Any]], expected_version: int
) -> None:
    answer = rejected(conversation(), command(expected_version=expected_version))
    assert answer.code == RejectionCode.STALE_VERSION
    assert answer.detail == f"expected version {expected_version}, it is 2"


@every_command
def test_the_expected_version_is_accepted(command: Callable[..., Incoming[Any]]) -> None:
    decision = decide(conversation(), command(expected_version=2))
    assert isinstance(result(decision), CommandAccepted)


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        pytest.param(
            None,
            assign("away", actor_id="stranger", expected_version=9),
            RejectionCode.UNKNOWN_CONVERSATION,
            id="first the conversation",
        ),
        pytest.param(
            ASSIGNED,
            assign("away", actor_id="stranger", expected_version=9),
            RejectionCode.UNKNOWN_USER,
            id="then the actor",
        ),
        pytest.param(
            ASSIGNED,
            assign("away", actor_id="outsider", expected_version=9),
            RejectionCode.NO_INBOX_ACCESS,
            id="and the actor's access",
        ),
        pytest.param(
            ASSIGNED,
            assign("away", expected_version=9),
            RejectionCode.STALE_VERSION,
            id="the version",
        ),
        pytest.param(
            ASSIGNED,
            close(time=NOON - SECOND, expected_version=9),
            RejectionCode.STALE_VERSION,
            id="the version before what the contact wrote",
        ),
        pytest.param(
            CLOSED,
            close(expected_version=9),
            RejectionCode.STALE_VERSION,
            id="the version even of what is already so",
        ),
        pytest.param(
            ASSIGNED,
            assign("away"),
            RejectionCode.ASSIGNEE_UNAVAILABLE,
            id="last the command's own",
        ),
    ],
)
def test_checks_come_in_this_order(
    before: Conversation | None, command: Incoming[Any], code: RejectionCode
) -> None:
    assert rejected(before, command).code == code


def test_a_user_of_another_account_is_unknown() -> None:
    # The caller passes the directory and the conversation of the command's own account.
    empty = directory()
    assert rejected(conversation(), close(), empty).code == RejectionCode.UNKNOWN_USER
    assert rejected(None, close(), empty).code == RejectionCode.UNKNOWN_CONVERSATION
