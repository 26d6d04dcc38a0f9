"""Commands on a conversation: assign, close, reopen, delete; and the result of every command."""

from msgspec import UNSET, UnsetType

from schemas.codes import Rejection
from schemas.fields import Command, Emitted, User


class ConversationAssign(Command, frozen=True, kw_only=True):
    """Assign a conversation to a user, or to nobody."""

    TYPE = "inbox.conversation.assign.v1"

    assignee_id: User | None
    """Null unassigns. There is no default: leaving the field out is an error."""


class ConversationClose(Command, frozen=True, kw_only=True):
    """Close a conversation."""

    TYPE = "inbox.conversation.close.v1"


class ConversationReopen(Command, frozen=True, kw_only=True):
    """Reopen a conversation."""

    TYPE = "inbox.conversation.reopen.v1"


class ConversationDelete(Command, frozen=True, kw_only=True):
    """Delete a conversation for good."""

    TYPE = "inbox.conversation.delete.v1"


class _Result(Emitted, frozen=True, kw_only=True):
    # `version` is the conversation's after the command; 0 where there is no such conversation.
    command_id: str
    command_type: str


class CommandAccepted(_Result, frozen=True, kw_only=True):
    """The command holds now, whether or not it changed anything."""

    TYPE = "inbox.command.accepted.v1"


class CommandRejected(_Result, frozen=True, kw_only=True):
    """The command was refused and changed nothing."""

    TYPE = "inbox.command.rejected.v1"

    code: Rejection
    detail: str | UnsetType = UNSET
