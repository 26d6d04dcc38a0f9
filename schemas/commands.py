"""Commands on a conversation: assign, close, reopen, delete; and the result of every command."""

from msgspec import UNSET, UnsetType

from schemas.codes import RejectionCode
from schemas.fields import Command, Emitted, User


class ConversationAssign(Command, frozen=True, kw_only=True):
    """Assign a conversation to a user, or unassign it."""

    TYPE = "inbox.conversation.assign.v1"

    assignee_id: User | None
    """Null unassigns. There is no default: a missing field is an error."""


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
    # `version` is the version after the command; 0 if the conversation does not exist.
    command_id: str
    command_type: str


class CommandAccepted(_Result, frozen=True, kw_only=True):
    """A command was accepted, whether or not it had to change anything."""

    TYPE = "inbox.command.accepted.v1"


class CommandRejected(_Result, frozen=True, kw_only=True):
    """A command was rejected and changed nothing."""

    TYPE = "inbox.command.rejected.v1"

    code: RejectionCode
    detail: str | UnsetType = UNSET
