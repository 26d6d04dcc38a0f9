"""Load, lock, save and delete the conversations of a batch."""

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Protocol

import asyncpg

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.conversation import Conversation, Tombstone
from schemas.fields import AccountId, ConversationId

ConversationKey = tuple[AccountId, ConversationId]


class OfConversation(Protocol):
    """Something that belongs to a conversation: a row of a table, or the data of an event."""

    @property
    def account_id(self) -> AccountId: ...

    @property
    def conversation_id(self) -> object: ...


def conversation_key(item: OfConversation) -> ConversationKey:
    """Returns the key of the conversation that something belongs to."""
    return item.account_id, ConversationId(str(item.conversation_id))


# The columns in conversations.sql stand in the order of the struct's fields.
_FIELDS = Conversation.__struct_fields__
_NEVER_UPDATED = ("channel_id", "contact_address", "erased_until", "created_at")
_ALL = attrgetter(*_FIELDS)
_UPDATED = attrgetter(*(field for field in _FIELDS if field not in _NEVER_UPDATED))
_TOMBSTONE = attrgetter(*Tombstone.__struct_fields__)


async def lock_conversations(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    """Lock and return those conversations that exist; the locks last until the transaction ends."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["lock_conversations"], accounts, ids)
    return {(row[0], row[1]): Conversation(*row) for row in rows}


async def has_conversation(
    connection: AnyConnection, account_id: AccountId, conversation_id: ConversationId
) -> bool:
    """Returns whether an account has a conversation that is not deleted. Locks nothing."""
    query = QUERIES["has_conversation"]
    found: bool = await connection.fetchval(query, account_id, conversation_id)
    return found


async def save_conversations(
    connection: AnyConnection,
    new: Iterable[Conversation],
    changed: Iterable[Conversation],
    placeholders: Collection[Conversation] = (),
) -> None:
    """Write the new and the changed conversations of a batch, each once.

    Raises asyncpg's UniqueViolationError if another transaction wrote a new one meanwhile: then the
    batch is tried again, and finds it. `placeholders` are inserted together with the new ones and
    deleted at once: see db.identities. All are inserted in the order of their keys, so that batches
    that insert each other's never deadlock.
    """
    if rows := [
        _ALL(conversation) for conversation in sorted((*new, *placeholders), key=conversation_key)
    ]:
        await connection.execute(QUERIES["insert_conversations"], *zip(*rows, strict=True))
    if keys := [conversation_key(conversation) for conversation in placeholders]:
        await connection.execute(QUERIES["delete_placeholders"], *zip(*keys, strict=True))
    if rows := [_UPDATED(conversation) for conversation in sorted(changed, key=conversation_key)]:
        await connection.execute(QUERIES["update_conversations"], *zip(*rows, strict=True))


async def load_tombstones(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Tombstone]:
    """Returns the tombstones of those of `keys` that were deleted."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["load_tombstones"], accounts, ids)
    return {(row[0], row[1]): Tombstone(*row) for row in rows}


async def check_tombstones(
    connection: AnyConnection, new: Sequence[Conversation], known: Sequence[Tombstone | None]
) -> None:
    """Check that new conversations, now written, still have the tombstones that were loaded.

    Since the load, another batch may have created such a conversation and a third one deleted it:
    then its versions would come twice. After the write nobody can do that any more. Raises
    asyncpg's SerializationError, as Postgres does for a conflict: the batch is tried again.
    """
    found = await load_tombstones(
        connection, [conversation_key(conversation) for conversation in new]
    )
    expected = [tombstone for tombstone in known if tombstone is not None]
    if sorted(found.values(), key=conversation_key) != sorted(expected, key=conversation_key):
        raise asyncpg.SerializationError("a conversation was made and deleted meanwhile")


async def delete_conversations(connection: AnyConnection, tombstones: Iterable[Tombstone]) -> None:
    """Delete conversations with everything that belongs to them, and write their tombstones."""
    if rows := [_TOMBSTONE(tombstone) for tombstone in sorted(tombstones, key=conversation_key)]:
        accounts, ids, moments, users, versions = zip(*rows, strict=True)
        query = QUERIES["delete_conversations"]
        await connection.execute(query, accounts, ids, moments, users)
        query = QUERIES["save_tombstones"]
        await connection.execute(query, accounts, ids, moments, users, versions)
