"""The rules of linking a conversation to the CRM: link, unlink, and asking for an entity."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from domain.conversation import Conversation
from domain.notes import Link, begin_notes, occasion
from domain.verdict import Asked, Changed, Refused, Verdict
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
from schemas.conversations import ConversationLinked, ConversationUnlinked, EntityRequested
from schemas.ids import uuid5_text
from schemas.links import ConversationLink, Entity, EntityRequest


def link(asked: Asked) -> Verdict:
    """Link an entity, whose first note begins at once. With `request_id` it answers a request.

    An answer to a request that nobody made here is as good as any other, once.
    """
    thread, entity = asked.thread, asked.command.data.entity
    answers = request_id(asked.command)
    if answers is not None:
        if thread.requests.get(answers):
            return _already_answered(answers)
        thread = replace(thread, requests={**thread.requests, answers: True})
    if _is_linked(asked, entity):
        # The request is answered all the same.
        return Changed(thread, None) if answers is not None else None
    conversation = _next_conversation(asked, more_links=1)
    about = occasion(asked.command.id, conversation, asked.directory, asked.app_url)
    new, notes = begin_notes(about, entity, asked.command.time, asked.latest)
    links = tuple(sorted((*thread.links, new), key=_place))
    thread = replace(thread, conversation=conversation, links=links)
    return Changed(thread, ConversationLinked, {"entity": entity}, notes)


def unlink(asked: Asked) -> Verdict:
    """Remove a link. Its notes stay in the CRM as they are."""
    entity = asked.command.data.entity
    if not _is_linked(asked, entity):
        detail = f"{entity.type} {entity.id} is not linked"
        return Refused(Rejection.NOT_LINKED, detail)
    links = tuple(link for link in asked.thread.links if link.entity != entity)
    conversation = _next_conversation(asked, more_links=-1)
    thread = replace(asked.thread, conversation=conversation, links=links)
    return Changed(thread, ConversationUnlinked, {"entity": entity})


def request_entity(asked: Asked) -> Verdict:
    """Ask the CRM for an entity. Asking for what is asked for already changes nothing."""
    named = request_id(asked.command)
    assert named is not None
    answered = asked.thread.requests.get(named)
    if answered is not None:
        return _already_answered(named) if answered else None
    requests: Mapping[str, bool] = {**asked.thread.requests, named: False}
    conversation = _next_conversation(asked, more_links=0)
    thread = replace(asked.thread, conversation=conversation, requests=requests)
    details = {"entity": asked.command.data.entity, "request_id": named}
    return Changed(thread, EntityRequested, details)


def request_id(command: Incoming[Any]) -> str | None:
    """The request that a command makes or answers; None for one that has to do with none.

    A request that names none has an id of its own, derived from the command's, which may be too
    long for one or too strange.
    """
    data = command.data
    if isinstance(data, EntityRequest):
        return data.request_id or uuid5_text(f"{data.account_id}/request/{command.id}")
    return data.request_id if isinstance(data, ConversationLink) else None


def _already_answered(named: str) -> Refused:
    return Refused(Rejection.ALREADY_ANSWERED, f"request {named} is answered")


def _is_linked(asked: Asked, entity: Entity) -> bool:
    return any(link.entity == entity for link in asked.thread.links)


def _next_conversation(asked: Asked, *, more_links: int) -> Conversation:
    before = asked.conversation
    return replace(before, version=before.version + 1, link_count=before.link_count + more_links)


def _place(link: Link) -> tuple[str, str]:
    """Links stand in the order of their entities, as their table has them."""
    return link.entity.type, link.entity.id
