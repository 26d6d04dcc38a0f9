"""The rules of links to the CRM: link, unlink, and request an entity."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from domain.conversation import Conversation
from domain.notes import Link, begin_notes, note_context
from domain.verdict import Changed, CommandContext, Rejected, Verdict
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.conversations import ConversationLinked, ConversationUnlinked, EntityRequested
from schemas.ids import uuid5_text
from schemas.links import ConversationLink, Entity, EntityRequest


def link(context: CommandContext) -> Verdict:
    """Link an entity and begin its first note at once. With `request_id`, answer a request.

    A link may answer a request that is unknown here: it is accepted, but only once.
    """
    state, entity = context.state, context.command.data.entity
    answers = request_id(context.command)
    if answers is not None:
        if state.requests.get(answers):
            return _already_answered(answers)
        state = replace(state, requests={**state.requests, answers: True})
    if _is_linked(context, entity):
        # The entity was linked before: still, the request is answered now.
        return Changed(state, None) if answers is not None else None
    conversation = _next_conversation(context, more_links=1)
    about = note_context(context.command.id, conversation, context.directory, context.app_url)
    new, notes = begin_notes(about, entity, context.command.time, context.latest)
    links = tuple(sorted((*state.links, new), key=_entity_order))
    state = replace(state, conversation=conversation, links=links)
    return Changed(state, ConversationLinked, {"entity": entity}, notes)


def unlink(context: CommandContext) -> Verdict:
    """Remove a link. Its notes stay in the CRM as they are."""
    entity = context.command.data.entity
    if not _is_linked(context, entity):
        detail = f"{entity.type} {entity.id} is not linked"
        return Rejected(RejectionCode.NOT_LINKED, detail)
    links = tuple(link for link in context.state.links if link.entity != entity)
    conversation = _next_conversation(context, more_links=-1)
    state = replace(context.state, conversation=conversation, links=links)
    return Changed(state, ConversationUnlinked, {"entity": entity})


def request_entity(context: CommandContext) -> Verdict:
    """Request an entity from the CRM. The same request again changes nothing."""
    request = request_id(context.command)
    assert request is not None
    answered = context.state.requests.get(request)
    if answered is not None:
        return _already_answered(request) if answered else None
    requests: Mapping[str, bool] = {**context.state.requests, request: False}
    conversation = _next_conversation(context, more_links=0)
    state = replace(context.state, conversation=conversation, requests=requests)
    details = {"entity": context.command.data.entity, "request_id": request}
    return Changed(state, EntityRequested, details)


def request_id(command: Incoming[Any]) -> str | None:
    """Returns the id of the request that a command makes or answers; None for other commands.

    For an `entity.request` without `request_id` it is derived from the command's id. That id itself
    would not do: it may be too long, or hold characters that a request's id may not have.
    """
    data = command.data
    if isinstance(data, EntityRequest):
        return data.request_id or uuid5_text(f"{data.account_id}/request/{command.id}")
    return data.request_id if isinstance(data, ConversationLink) else None


def _already_answered(request: str) -> Rejected:
    return Rejected(RejectionCode.ALREADY_ANSWERED, f"request {request} is answered")


def _is_linked(context: CommandContext, entity: Entity) -> bool:
    return any(link.entity == entity for link in context.state.links)


def _next_conversation(context: CommandContext, *, more_links: int) -> Conversation:
    before = context.conversation
    return replace(before, version=before.version + 1, link_count=before.link_count + more_links)


def _entity_order(link: Link) -> tuple[str, str]:
    """The order of links, by entity: the order in which their table returns them."""
    return link.entity.type, link.entity.id
