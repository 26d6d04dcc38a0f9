"""The conversations of a section, or of the contacts that begin so; one of them as a whole."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from asyncpg.transaction import Transaction
from msgspec import Meta, Struct, structs

from db.connect import AnyConnection
from db.contact_search import contact_addresses, search_contacts
from db.directory import channels_by_id
from db.links import load_links
from db.listed_conversations import load_listed, seen_versions
from db.sections import NEWEST, Place, page_of_section
from domain.conversation import Section
from schemas.fields import ChannelId, ConversationId
from schemas.links import Entity
from workers.api.caller import Caller
from workers.api.cursor import read_cursor, write_cursor
from workers.api.operation import Call, Operation
from workers.api.problem import Problem, not_found
from workers.api.service import Api
from workers.api.shapes import Conversation, ConversationPath, PageLimit, seen_by

CONTACT_CHARACTERS_MIN = 3


class ConversationsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which conversations: those of a section, those of a contact, or those of both."""

    section: Section | None = None
    contact: Annotated[str, Meta(max_length=256)] | None = None
    """The start of a name or an address. A number may have the prefix of its channel, `+` and
    blanks, or not. It has at least 3 characters, of which the first 64 count."""
    limit: PageLimit = 50
    cursor: str | None = None
    """`next` of the page before."""


class Conversations(Struct, frozen=True, kw_only=True):
    """A page of conversations, newest activity first."""

    items: list[Conversation]
    next: str | None
    """The cursor of the next page; null if this is the last one."""


class Link(Struct, frozen=True, kw_only=True):
    """An entity of the CRM that a conversation is linked to."""

    entity: Entity
    linked_at: datetime


class WholeConversation(Conversation, frozen=True, kw_only=True):
    """A conversation with what only its own page shows."""

    links: list[Link]
    addresses: list[str]
    """All addresses of the contact, that of the conversation first. There are more than one where
    a provider told that they are the same person's."""
    can_delete: bool
    """Whether the user may delete it: they installed its channel, which the directory has."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_MAX = (NEWEST.active_at - _EPOCH) // timedelta(microseconds=1)


class _CursorPlace(Struct, frozen=True, array_like=True):
    """The content of a cursor."""

    microseconds: Annotated[int, Meta(ge=0, le=_MICROSECONDS_MAX)]
    """Since 1970."""
    conversation_id: UUID
    check: str
    """Depends on the list and the place. So the cursor of another list is refused, rather than
    answered with a page that leaves conversations out. It is no secret and protects nothing."""


async def list_conversations(api: Api, call: Call) -> Conversations:
    """Returns a page of a section, or of the contacts that begin so. Raises Problem."""
    caller, query = call.caller, call.query
    contact = _contact(query.contact)
    if contact is None and query.section is None:
        raise Problem("invalid_request", "give `section`, `contact`, or both")
    of = (caller.account_id, caller.user_id, query.section, contact)
    after = _place(read_cursor(query.cursor, _CursorPlace), of)
    async with api.pool.acquire() as connection, _at_one_moment(connection):
        for_user = (connection, caller.account_id, caller.user_id)
        # One more than is asked for tells whether there is another page.
        page = {"after": after, "count": query.limit + 1}
        if contact is None:
            found = await page_of_section(*for_user, query.section, **page)
        else:
            found = await search_contacts(*for_user, contact, section=query.section, **page)
        places = found[: query.limit]
        items = await _as_seen(connection, caller, [str(each.conversation_id) for each in places])
    is_last = len(found) <= query.limit
    return Conversations(items=items, next=None if is_last else _cursor(places[-1], of))


def _contact(given: str | None) -> str | None:
    if given is None:
        return None
    contact = given.strip()
    if len(contact) < CONTACT_CHARACTERS_MIN:
        raise Problem(
            "invalid_request", f"contact: at least {CONTACT_CHARACTERS_MIN} characters are needed"
        )
    return contact


def _at_one_moment(connection: AnyConnection) -> Transaction:
    """Returns a transaction whose queries all see the same: what is listed has what it is listed
    for."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def _as_seen(
    connection: AnyConnection, caller: Caller, ids: Sequence[str]
) -> list[Conversation]:
    listed = await load_listed(connection, caller.account_id, ids)
    seen = await seen_versions(connection, caller.account_id, ids, [caller.user_id])
    return [
        seen_by(each, caller.user_id, seen.get((each.conversation_id, caller.user_id), 0))
        for each in listed
    ]


def _cursor(place: Place, of: tuple[str | None, ...]) -> str:
    microseconds = (place.active_at - _EPOCH) // timedelta(microseconds=1)
    check = _check(microseconds, place.conversation_id, of)
    return write_cursor(_CursorPlace(microseconds, place.conversation_id, check))


def _place(cursor: _CursorPlace | None, of: tuple[str | None, ...]) -> Place:
    if cursor is None:
        return NEWEST
    if cursor.check != _check(cursor.microseconds, cursor.conversation_id, of):
        raise Problem("invalid_request", "the cursor is none of this list: begin without one")
    moment = _EPOCH + timedelta(microseconds=cursor.microseconds)
    return Place(moment, cursor.conversation_id)


def _check(microseconds: int, conversation_id: UUID, of: tuple[str | None, ...]) -> str:
    content = msgspec.json.encode((microseconds, conversation_id, of))
    return hashlib.blake2b(content, digest_size=8).hexdigest()


async def read_conversation(api: Api, call: Call) -> WholeConversation:
    """Returns a conversation as a whole. Raises Problem."""
    caller, conversation_id = call.caller, ConversationId(str(call.path.id))
    key = (caller.account_id, conversation_id)
    async with api.pool.acquire() as connection, _at_one_moment(connection):
        items = await _as_seen(connection, caller, [conversation_id])
        if not items:
            raise not_found()
        links = await load_links(connection, [key])
        addresses = await contact_addresses(connection, *key)
        channel_id = ChannelId(items[0].channel.channel_id)
        channels = await channels_by_id(connection, [(caller.account_id, channel_id)])
    return WholeConversation(
        **structs.asdict(items[0]),
        links=[Link(entity=each.entity, linked_at=each.linked_at) for each in links.get(key, ())],
        addresses=addresses,
        can_delete=any(each.installed_by == caller.user_id for each in channels),
    )


OPERATIONS = (
    Operation(
        name="listConversations",
        method="GET",
        address="/conversations",
        summary="The conversations of a section, or of the contacts whose name or address begins "
        "so.",
        handle=list_conversations,
        query=ConversationsQuery,
        answers={200: Conversations},
    ),
    Operation(
        name="readConversation",
        method="GET",
        address="/conversations/{id}",
        summary="A conversation with its links and all addresses of its contact.",
        handle=read_conversation,
        path=ConversationPath,
        answers={200: WholeConversation},
    ),
)
