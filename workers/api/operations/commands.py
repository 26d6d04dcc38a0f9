"""The commands on a conversation, and what became of each."""

from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from schemas.cloudevents import ID_CHARACTERS_MAX
from schemas.codes import RejectionCode
from schemas.commands import (
    ConversationAssign,
    ConversationClose,
    ConversationDelete,
    ConversationReopen,
)
from schemas.fields import Command
from schemas.links import ConversationLink, ConversationUnlink, EntityRequest
from schemas.messages import MessageSend
from workers.api.commands.bodies import body_of, filled_in
from workers.api.commands.event_ids import HEADERS, REPLY_HEADERS, event_id, reply_id
from workers.api.commands.outcomes import ANSWERS, answer_about
from workers.api.operation import Answer, Call, Handle, Operation
from workers.api.service import Api
from workers.api.shapes import ConversationPath


class CommandPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A command of the account."""

    id: Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)]


_COMMON_CODES = (
    RejectionCode.UNKNOWN_CONVERSATION,
    RejectionCode.UNKNOWN_USER,
    RejectionCode.NO_INBOX_ACCESS,
    RejectionCode.STALE_VERSION,
)
"""Why any command may be rejected."""


class _Kind(NamedTuple):
    """A kind of command, and its operation."""

    command: type[Command]
    name: str
    segment: str
    """The end of the address."""
    summary: str
    codes: tuple[RejectionCode, ...] = ()
    """Why commands of this kind alone may be rejected."""


KINDS = (
    _Kind(
        ConversationAssign,
        "assignConversation",
        "assign",
        "Assign a conversation to a user; null unassigns.",
        (RejectionCode.ASSIGNEE_UNAVAILABLE,),
    ),
    _Kind(
        ConversationClose,
        "closeConversation",
        "close",
        "Close a conversation.",
        (RejectionCode.SUPERSEDED,),
    ),
    _Kind(ConversationReopen, "reopenConversation", "reopen", "Reopen a conversation."),
    _Kind(
        ConversationDelete,
        "deleteConversation",
        "delete",
        "Delete a conversation for good; the provider keeps its copy.",
        (RejectionCode.NOT_INSTALLER, RejectionCode.UNKNOWN_CHANNEL),
    ),
    _Kind(
        MessageSend,
        "reply",
        "reply",
        "Send a reply to the contact.",
        (
            RejectionCode.EMPTY,
            RejectionCode.TOO_LONG,
            RejectionCode.WINDOW_CLOSED,
            RejectionCode.UNKNOWN_CHANNEL,
        ),
    ),
    _Kind(
        ConversationLink,
        "linkConversation",
        "link",
        "Link a conversation to a person, a lead or a deal; with `request_id`, as the answer to a "
        "request.",
        (RejectionCode.ALREADY_ANSWERED,),
    ),
    _Kind(
        ConversationUnlink,
        "unlinkConversation",
        "unlink",
        "Remove a link.",
        (RejectionCode.NOT_LINKED,),
    ),
    _Kind(
        EntityRequest,
        "requestEntity",
        "entity-requests",
        "Request the CRM to create an entity and link it.",
        (RejectionCode.ALREADY_ANSWERED,),
    ),
)


def _submitting(command: type[Command]) -> Handle:
    id_of = reply_id if command is MessageSend else event_id

    async def submit(api: Api, call: Call) -> Answer:
        """Publish the command of a request, and answer what became of it."""
        command_id = id_of(call.request.headers)
        data = filled_in(
            command,
            call.body,
            account_id=call.caller.account_id,
            conversation_id=call.path.id,
            actor_id=call.caller.user_id,
        )
        return answer_about(command_id, await api.commands.submit(data, command_id))

    return submit


async def read_command(api: Api, call: Call) -> Answer:
    """Answers what became of a command, as the request that sent it would be answered now."""
    command_id = call.path.id
    outcome = await api.commands.outcome_of(call.caller.account_id, command_id, api.follower)
    return answer_about(command_id, outcome)


OPERATIONS = (
    *(
        Operation(
            name=kind.name,
            method="POST",
            address=f"/conversations/{{id}}/{kind.segment}",
            headers=REPLY_HEADERS if kind.command is MessageSend else HEADERS,
            summary=kind.summary,
            handle=_submitting(kind.command),
            path=ConversationPath,
            body=body_of(kind.command),
            answers=ANSWERS,
            codes=(*_COMMON_CODES, *kind.codes),
            codes_of_repeats=tuple(RejectionCode),
        )
        for kind in KINDS
    ),
    Operation(
        name="readCommand",
        method="GET",
        address="/commands/{id}",
        summary="What became of a command: the answer that the request would get now.",
        handle=read_command,
        path=CommandPath,
        answers=ANSWERS,
        codes=tuple(RejectionCode),
    ),
)
