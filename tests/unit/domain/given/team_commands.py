"""Commands of a team's users on a conversation, and the decisions about them."""

from collections.abc import Callable
from typing import Any

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.conversation_state import NO_CONVERSATION, ConversationState, Decision
from domain.directory import Directory
from schemas.cloudevents import Incoming
from schemas.commands import CommandRejected
from tests.unit.domain.given.samples import (
    APP_URL,
    NOON,
    SECOND,
    assign,
    channel,
    close,
    conversation,
    delete,
    directory,
    link,
    linked,
    reopen,
    reply,
    request,
    result,
    unlink,
    user,
)

TEAM = directory(
    "ana",
    "bo",
    user("away", available=False),
    user("outsider", inbox_access=False),
    user("untold", name=None, email=None),
)
NOW = NOON + 60 * SECOND

CLOSED = conversation(status="closed", version=5, closed_at=NOON)
ASSIGNED = conversation(assignee_id="bo", version=3)

COMMANDS: dict[str, Callable[..., Incoming[Any]]] = {
    "assign": lambda **fields: assign("bo", **fields),
    "unassign": lambda **fields: assign(None, **fields),
    "close": close,
    "reopen": reopen,
    "delete": delete,
    "link": link,
    "unlink": lambda **fields: unlink("person:1", **fields),
    "request": request,
    "reply": reply,
}
"""Every type of command, made so that an open conversation with a link accepts it."""


def decide(
    before: Conversation | None, command: Incoming[Any], known: Directory = TEAM
) -> Decision:
    """Decide a command on a conversation with a link, on a channel that the actor installed."""
    state = ConversationState(before, links=(linked("person:1"),)) if before else NO_CONVERSATION
    installed = channel(installed_by=command.data.actor_id)
    return decide_command(state, command, NOW, known, APP_URL, channel=installed)


def rejected(
    before: Conversation | None, command: Incoming[Any], known: Directory = TEAM
) -> CommandRejected:
    """Returns the rejection of a command, which changes nothing and emits nothing else."""
    decision = decide(before, command, known)
    assert decision.state.conversation is before
    assert len(decision.outgoing) == 1
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    return answer
