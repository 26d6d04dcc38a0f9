"""Load and save links to the CRM with their newest notes, and the requests for entities."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import NamedTuple

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.notes import Link, Note
from schemas.fields import AccountId, ConversationId
from schemas.links import Entity

# The columns in links.sql stand in the order of the struct's fields.
_NOTE = attrgetter(*Note.__struct_fields__)

RequestKey = tuple[AccountId, ConversationId, str]


class LinkRow(NamedTuple):
    """A link, and the conversation that it belongs to."""

    conversation: ConversationKey
    link: Link

    @property
    def key(self) -> tuple[str, ...]:
        """Its primary key in the table."""
        return (*self.conversation, self.link.entity.type, self.link.entity.id)

    @property
    def values(self) -> tuple[object, ...]:
        """Its row in the table."""
        return (*self.key, self.link.linked_at, *_NOTE(self.link.note))


async def load_links(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, tuple[Link, ...]]:
    """Returns the links of locked conversations, in the order of their entities."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    found: dict[ConversationKey, list[Link]] = defaultdict(list)
    for row in await connection.fetch(QUERIES["load_links"], accounts, ids):
        account_id, conversation_id, entity_type, entity_id, linked_at, *note = row
        link = Link(Entity(entity_type, entity_id), linked_at, Note(*note))
        found[account_id, conversation_id].append(link)
    return {key: tuple(links) for key, links in found.items()}


async def insert_links(connection: AnyConnection, rows: Iterable[LinkRow]) -> None:
    """Write new links."""
    if values := [row.values for row in rows]:
        await connection.execute(QUERIES["insert_links"], *zip(*values, strict=True))


async def update_links(connection: AnyConnection, rows: Iterable[LinkRow]) -> None:
    """Write the newest notes of links."""
    if values := [row.values for row in rows]:
        await connection.execute(QUERIES["update_links"], *zip(*values, strict=True))


async def delete_links(connection: AnyConnection, rows: Iterable[LinkRow]) -> None:
    """Delete links."""
    if values := [row.key for row in rows]:
        await connection.execute(QUERIES["delete_links"], *zip(*values, strict=True))


async def load_requests(
    connection: AnyConnection, keys: Collection[RequestKey]
) -> dict[ConversationKey, dict[str, bool]]:
    """Returns for those of `keys` that exist whether they are answered, by conversation."""
    if not keys:
        return {}
    found: dict[ConversationKey, dict[str, bool]] = defaultdict(dict)
    for row in await connection.fetch(QUERIES["load_requests"], *zip(*keys, strict=True)):
        account_id, conversation_id, request_id, answered = row
        found[account_id, conversation_id][request_id] = answered
    return found


async def save_requests(
    connection: AnyConnection, requests: Collection[tuple[ConversationKey, str, bool]]
) -> None:
    """Write requests, each with whether it is answered."""
    if values := [(*key, request_id, answered) for key, request_id, answered in requests]:
        await connection.execute(QUERIES["save_requests"], *zip(*values, strict=True))
