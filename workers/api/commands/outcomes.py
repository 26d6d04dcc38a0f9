"""What became of a command, as the API answers it."""

from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct

from db.commands import ACCEPTED, Outcome
from schemas.codes import RejectionCode
from workers.api.operation import PREFIX, Answer
from workers.api.problem import Problem
from workers.process import metrics


class CommandResult(Struct, frozen=True, kw_only=True):
    """A command was accepted, whether or not it had to change anything."""

    command_id: str
    code: Literal["accepted"]
    version: int
    """The version of the conversation after the command."""


class CommandPending(Struct, frozen=True, kw_only=True):
    """A command was published, and there is no result yet."""

    command_id: str


ANSWERS: dict[int, Any] = {200: CommandResult, 202: CommandPending}
"""The answers about a command, beside its rejection."""

DETAILS = {
    RejectionCode.UNKNOWN_CONVERSATION: "the conversation does not exist any more",
    RejectionCode.UNKNOWN_USER: "the user is not, or not any more, a user of this account",
    RejectionCode.UNKNOWN_CHANNEL: "the channel of the conversation is not known, or was removed",
    RejectionCode.NO_INBOX_ACCESS: "the user has no access to the inbox",
    RejectionCode.ASSIGNEE_UNAVAILABLE: "the user is unavailable, so nothing can be assigned",
    RejectionCode.NOT_INSTALLER: "only the user who installed the channel may do this",
    RejectionCode.STALE_VERSION: "the conversation was changed meanwhile; look at it again",
    RejectionCode.SUPERSEDED: "the contact wrote meanwhile, so the conversation stays open",
    RejectionCode.NOT_LINKED: "the conversation is not linked to this entity",
    RejectionCode.ALREADY_ANSWERED: "the request for an entity is answered already",
    RejectionCode.WINDOW_CLOSED: "the contact last wrote more than 24 hours ago, so the provider "
    "takes approved templates only",
    RejectionCode.TOO_LONG: "the reply is longer than its channel takes",
    RejectionCode.EMPTY: "the reply has no text and no files",
}
"""Each rejection in plain words."""


def answer_about(command_id: str, outcome: Outcome | None) -> Answer:
    """Returns the answer about a command. Raises Problem for a rejected one.

    Without an outcome it says where to ask for it. So it does for one that this program does not
    know: an older program applied the command, or a newer one rejected it for a new reason.
    """
    code = outcome.code if outcome else None
    metrics.API_COMMANDS.labels(code or "pending").inc()
    if outcome is not None and code == ACCEPTED:
        version = outcome.version or 0
        return Answer(body=CommandResult(command_id=command_id, code="accepted", version=version))
    if code is not None and code in set(RejectionCode):
        rejection = RejectionCode(code)
        raise Problem(rejection, DETAILS[rejection])
    location = f"{PREFIX}/commands/{quote(command_id, safe='')}"
    pending = CommandPending(command_id=command_id)
    return Answer(body=pending, status=202, headers={"Location": location})
