"""Commands on a conversation: who may ask, which rule answers, and the one result of each.

Every command is checked against what is known when it is applied, in this order: the
conversation, the user who asks, the expected version, then the command's own rule. Doing what
is already so is accepted and changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.conversation import Conversation
from domain.decision import Outgoing, caused_by
from domain.directory import Channel, Directory
from domain.lifecycle import assign, close, delete, reopen
from domain.linking import link, request_entity, unlink
from domain.replies import reply
from domain.thread import Decision, Thread
from domain.verdict import Asked, Changed, Refused, Verdict
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
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

_RULES: dict[type[Command], Callable[[Asked], Verdict]] = {
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
    thread: Thread,
    command: Incoming[Any],
    now: datetime,
    directory: Directory,
    app_url: str,
    *,
    channel: Channel | None = None,
    latest: tuple[NoteMessage, ...] = (),
) -> Decision:
    """Apply a command that was not applied before; always with exactly one result.

    `channel` is the conversation's, for those who delete or reply; `latest` are its latest
    messages in order of time, for those who link.
    """
    before = thread.conversation
    if before is None:
        unknown = f"no conversation {command.data.conversation_id}"
        refused = Refused(Rejection.UNKNOWN_CONVERSATION, unknown)
        return Decision(thread, (_result(command, 0, refused),))
    asked = Asked(thread, before, command, now, directory, channel, latest, app_url)
    verdict = (
        _check_actor(command.data, directory)
        or _check_version(before, command.data)
        or _RULES[type(command.data)](asked)
    )
    if isinstance(verdict, Refused):
        return Decision(thread, (_result(command, before.version, verdict),))
    if verdict is None:
        return Decision(thread, (_result(command, before.version),))
    logged = _log(before, verdict, command)
    result = _result(command, verdict.thread.version)
    return Decision(
        verdict.thread, (*logged, *verdict.also, result), verdict.message, verdict.sends
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


def _log(before: Conversation, changed: Changed, command: Incoming[Any]) -> tuple[Outgoing, ...]:
    if changed.event is None:
        return ()
    after = changed.thread.conversation
    event = changed.event(
        account_id=before.account_id,
        conversation_id=before.conversation_id,
        version=changed.thread.version,
        before=before.snapshot,
        after=after.snapshot if after else None,
        actor_id=command.data.actor_id,
        reason="reply" if changed.message else "command",
        **changed.details,
    )
    return (caused_by(command.id, event),)


def _result(command: Incoming[Any], version: int, refused: Refused | None = None) -> Outgoing:
    about: dict[str, Any] = {
        "account_id": command.data.account_id,
        "conversation_id": str(command.data.conversation_id),
        "version": version,
        "command_id": command.id,
        "command_type": command.type,
    }
    if refused is None:
        return caused_by(command.id, CommandAccepted(**about))
    return caused_by(command.id, CommandRejected(**about, code=refused.code, detail=refused.detail))
