"""Reads conversations for people to see: without locks, and never to be saved."""

from collections.abc import Collection

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.conversation import Conversation
from domain.spellings import Address
from schemas.fields import AccountId, ConversationId

ADDRESSES_MAX = 100
"""The same number has few addresses: one for each channel, and they come first."""


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
    connection: AnyConnection, account_id: AccountId, addresses: Collection[str]
) -> list[Conversation]:
    """Returns all conversations to which a contact's addresses lead or led, by channel and age."""
    query = QUERIES["conversations_of_contact"]
    rows = await connection.fetch(query, account_id, list(addresses))
    return [Conversation(**dict(row)) for row in rows]


async def addresses_like(
    connection: AnyConnection, account_id: AccountId, asked: Address
) -> list[str]:
    """Returns the contacts' addresses among which a person may mean one, at most ADDRESSES_MAX."""
    query = QUERIES["addresses_like"]
    like = (asked.written, asked.rest, asked.digits, asked.key)
    rows = await connection.fetch(query, account_id, *like, ADDRESSES_MAX)
    return [row["address"] for row in rows]


async def knows_account(connection: AnyConnection, account_id: AccountId) -> bool:
    """Whether there is, or was, anything of an account."""
    known: bool = await connection.fetchval(QUERIES["knows_account"], account_id)
    return known


async def count_messages(connection: AnyConnection, ids: Collection[ConversationId]) -> int:
    """Returns how many messages some conversations have together."""
    counted: int = await connection.fetchval(QUERIES["count_messages"], list(ids))
    return counted
