"""Reads conversations for people to see: without locks, and never to be saved."""

from collections.abc import Collection

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.conversation import Conversation
from schemas.fields import AccountId, ConversationId


async def load_conversations(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> list[Conversation]:
    """Returns those of `keys` that exist."""
    if not keys:
        return []
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["conversations_by_id"], accounts, ids)
    return [Conversation(**dict(row)) for row in rows]


async def conversations_of_contact(
    connection: AnyConnection, account_id: AccountId, contact_address: str
) -> list[Conversation]:
    """Returns all conversations to which a contact's address leads or led, by channel and age."""
    query = QUERIES["conversations_of_contact"]
    rows = await connection.fetch(query, account_id, contact_address)
    return [Conversation(**dict(row)) for row in rows]


async def count_messages(connection: AnyConnection, ids: Collection[ConversationId]) -> int:
    """Returns how many messages some conversations have together."""
    counted: int = await connection.fetchval(QUERIES["count_messages"], list(ids))
    return counted
