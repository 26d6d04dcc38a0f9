"""Commands on a conversation: the checks that all commands share, the rule of each, its result.

A command is checked against the state of the moment when it is applied, in this order: the
conversation exists, the user may command, the expected version is the present one, and last the
command's own rule. A command that asks for the present state is accepted and changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.conversation import Conversation
from domain.conversation_state import ConversationState, Decision
from domain.directory import Channel, Directory
from domain.lifecycle import assign, close, delete, reopen
from domain.linking import link, request_entity, unlink
from domain.outgoing import Outgoing, caused_by
from domain.replies import reply
from domain.verdict import Changed, CommandContext, Rejected, Verdict
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.commands import (
    CommandAccepted,
    CommandRejected,
    ConversationAssign,
    ConversationClose,
    ConversationDelete,
    ConversationReopen,
)
from schemas.fields import Command
from schemas.links import ConversationLink, ConversationUnlink, EntityRequest
from schemas.messages import MessageSend
from schemas.notes import NoteMessage

_RULES: dict[type[Command], Callable[[CommandContext], Verdict]] = {
    ConversationAssign: assign,
    ConversationClose: close,
    ConversationReopen: reopen,
    ConversationDelete: delete,
    ConversationLink: link,
    ConversationUnlink: unlink,
    EntityRequest: request_entity,
    MessageSend: reply,
}


def decide_command(
    state: ConversationState,
    command: Incoming[Any],
    now: datetime,
    directory: Directory,
    app_url: str,
    *,
    channel: Channel | None = None,
    latest: tuple[NoteMessage, ...] = (),
) -> Decision:
    """Apply a command that was not applied before. Emits exactly one result, as the last event.

    `channel` is the conversation's channel; only deletions and replies need it. `latest` are the
    latest messages of the conversation, in order of time; only links need them.
    """
    before = state.conversation
    if before is None:
        unknown = f"no conversation {command.data.conversation_id}"
        rejected = Rejected(RejectionCode.UNKNOWN_CONVERSATION, unknown)
        return Decision(state, (_result(command, 0, rejected),))
    context = CommandContext(state, before, command, now, directory, channel, latest, app_url)
    verdict = (
        _check_actor(command.data, directory)
        or _check_version(before, command.data)
        or _RULES[type(command.data)](context)
    )
    if isinstance(verdict, Rejected):
        return Decision(state, (_result(command, before.version, verdict),))
    if verdict is None:
        return Decision(state, (_result(command, before.version),))
    logged = _log_events(before, verdict, command)
    result = _result(command, verdict.state.version)
    return Decision(verdict.state, (*logged, *verdict.also, result), verdict.message, verdict.sends)


def _check_actor(data: Command, directory: Directory) -> Rejected | None:
    actor = directory.user(data.actor_id)
    if actor is None:
        return Rejected(RejectionCode.UNKNOWN_USER, f"no user {data.actor_id}")
    if not actor.inbox_access:
        return Rejected(RejectionCode.NO_INBOX_ACCESS, f"user {data.actor_id} has no inbox access")
    return None


def _check_version(before: Conversation, data: Command) -> Rejected | None:
    if data.expected_version in (None, before.version):
        return None
    detail = f"expected version {data.expected_version}, it is {before.version}"
    return Rejected(RejectionCode.STALE_VERSION, detail)


def _log_events(
    before: Conversation, changed: Changed, command: Incoming[Any]
) -> tuple[Outgoing, ...]:
    if changed.event is None:
        return ()
    after = changed.state.conversation
    event = changed.event(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        version=changed.state.version,
        before=before.snapshot,
        after=after.snapshot if after else None,
        actor_id=command.data.actor_id,
        reason="reply" if changed.message else "command",
        **changed.details,
    )
    return (caused_by(command.id, event),)


def _result(command: Incoming[Any], version: int, rejected: Rejected | None = None) -> Outgoing:
    fields: dict[str, Any] = {
        "account_id": command.data.account_id,
        "conversation_id": str(command.data.conversation_id),
        "version": version,
        "command_id": command.id,
        "command_type": command.type,
    }
    if rejected is None:
        return caused_by(command.id, CommandAccepted(**fields))
    result = CommandRejected(**fields, code=rejected.code, detail=rejected.detail)
    return caused_by(command.id, result)
