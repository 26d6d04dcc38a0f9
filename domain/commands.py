"""Commands on a conversation: who may do what, and what it changes.

Every command is checked against what is known when it is applied, in this order: the
conversation, the user who asks, the expected version, then the command's own rule. Doing what
is already so is accepted and changes nothing.
"""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.audience import assignment_audience, notifications
from domain.conversation import Conversation
from domain.decision import Decision, Outgoing, caused_by
from domain.directory import Directory
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
from schemas.commands import (
    CommandAccepted,
    CommandRejected,
    ConversationAssign,
    ConversationClose,
    ConversationReopen,
)
from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationEvent,
    ConversationReopened,
    ConversationUnassigned,
)
from schemas.fields import Command

AnyCommand = ConversationAssign | ConversationClose | ConversationReopen


class Refused(NamedTuple):
    """Why a command is refused."""

    code: Rejection
    detail: str


class Changed(NamedTuple):
    """What a command changes."""

    state: Conversation
    event: type[ConversationEvent]


Verdict = Refused | Changed | None
"""None: accepted, and nothing changes."""


def decide_command(
    before: Conversation | None,
    command: Incoming[AnyCommand],
    now: datetime,
    directory: Directory,
    app_url: str,
) -> Decision:
    """Apply a command that was not applied before; always with exactly one result."""
    verdict = _verdict(before, command, now, directory)
    if isinstance(verdict, Refused):
        return Decision(before, (_result(command, before, verdict),))
    if verdict is None or before is None:
        return Decision(before, (_result(command, before),))
    outgoing = [_log(before, verdict, command)]
    if isinstance(command.data, ConversationAssign) and command.data.assignee_id is not None:
        outgoing += notifications(
            verdict.state,
            assignment_audience(command.data.assignee_id, command.data.actor_id, directory),
            kind="assignment",
            cause_id=command.id,
            app_url=app_url,
        )
    outgoing.append(_result(command, verdict.state))
    return Decision(verdict.state, tuple(outgoing))


def _verdict(
    before: Conversation | None,
    command: Incoming[AnyCommand],
    now: datetime,
    directory: Directory,
) -> Verdict:
    data = command.data
    if before is None:
        return Refused(Rejection.UNKNOWN_CONVERSATION, f"no conversation {data.conversation_id}")
    return (
        _check_actor(data, directory)
        or _check_version(before, data)
        or _RULES[type(data)](before, command, now, directory)
    )


def _check_actor(data: Command, directory: Directory) -> Refused | None:
    actor = directory.user(data.actor_id)
    if actor is None:
        return Refused(Rejection.UNKNOWN_USER, f"no user {data.actor_id}")
    if not actor.inbox_access:
        return Refused(Rejection.NO_INBOX_ACCESS, f"user {data.actor_id} has no inbox access")
    return None


def _check_version(before: Conversation, data: Command) -> Refused | None:
    if data.expected_version in (None, before.version):
        return None
    detail = f"expected version {data.expected_version}, it is {before.version}"
    return Refused(Rejection.STALE_VERSION, detail)


def _assign(
    before: Conversation, command: Incoming[AnyCommand], now: datetime, directory: Directory
) -> Verdict:
    assert isinstance(command.data, ConversationAssign)
    assignee_id = command.data.assignee_id
    if assignee_id == before.assignee_id:
        return None
    if assignee_id is None:
        return Changed(_next(before, assignee_id=None), ConversationUnassigned)
    assignee = directory.user(assignee_id)
    if assignee is None:
        return Refused(Rejection.UNKNOWN_USER, f"no user {assignee_id}")
    if not assignee.inbox_access:
        return Refused(Rejection.NO_INBOX_ACCESS, f"user {assignee_id} has no inbox access")
    if not assignee.available:
        return Refused(Rejection.ASSIGNEE_UNAVAILABLE, f"user {assignee_id} is not available")
    return Changed(_next(before, assignee_id=assignee_id), ConversationAssigned)


def _close(
    before: Conversation, command: Incoming[AnyCommand], now: datetime, directory: Directory
) -> Verdict:
    if before.status == "closed":
        return None
    seen_at = before.last_inbound_at
    if seen_at is not None and command.time < seen_at:
        detail = "the contact wrote after the close was issued"
        return Refused(Rejection.SUPERSEDED, detail)
    return Changed(_next(before, status="closed", closed_at=now), ConversationClosed)


def _reopen(
    before: Conversation, command: Incoming[AnyCommand], now: datetime, directory: Directory
) -> Verdict:
    if before.status == "open":
        return None
    return Changed(_next(before, status="open", closed_at=None), ConversationReopened)


_RULES = {
    ConversationAssign: _assign,
    ConversationClose: _close,
    ConversationReopen: _reopen,
}


def _next(before: Conversation, **changes: object) -> Conversation:
    return msgspec.structs.replace(before, version=before.version + 1, **changes)


def _log(before: Conversation, changed: Changed, command: Incoming[AnyCommand]) -> Outgoing:
    event = changed.event(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        version=changed.state.version,
        before=before.snapshot,
        after=changed.state.snapshot,
        actor_id=command.data.actor_id,
        reason="command",
    )
    return caused_by(command.id, event)


def _result(
    command: Incoming[AnyCommand], state: Conversation | None, refused: Refused | None = None
) -> Outgoing:
    about: dict[str, Any] = {
        "account_id": command.data.account_id,
        "conversation_id": str(command.data.conversation_id),
        "version": state.version if state else 0,
        "command_id": command.id,
        "command_type": command.type,
    }
    if refused is None:
        return caused_by(command.id, CommandAccepted(**about))
    return caused_by(command.id, CommandRejected(**about, code=refused.code, detail=refused.detail))
