"""Load, lock, save and delete the conversations of a batch."""

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter

import asyncpg

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.conversation import Conversation, Tombstone
from schemas.fields import AccountId, ConversationId

ConversationKey = tuple[AccountId, ConversationId]

# The columns in conversations.sql stand in the order of the struct's fields.
_FIELDS = Conversation.__struct_fields__
_NEVER_UPDATED = ("channel_id", "contact_address", "erased_until", "created_at")
_ALL = attrgetter(*_FIELDS)
_UPDATED = attrgetter(*(field for field in _FIELDS if field not in _NEVER_UPDATED))
_key = attrgetter("account_id", "conversation_id")
_TOMBSTONE = attrgetter(*Tombstone.__struct_fields__)


async def lock_conversations(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    """The conversations that exist, locked until the transaction ends."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["lock_conversations"], accounts, ids)
    return {(row[0], row[1]): Conversation(*row) for row in rows}


async def save_conversations(
    connection: AnyConnection,
    new: Iterable[Conversation],
    changed: Iterable[Conversation],
    claimed: Collection[Conversation] = (),
) -> None:
    """Write what a batch made and changed, each conversation once.

    A new one that another transaction made meanwhile is asyncpg's UniqueViolationError: the
    batch is to be tried again, and then finds it. `claimed` are made with the new ones, in one
    order so that batches which claim each other's never deadlock, and removed: see db.identities.
    """
    if rows := [_ALL(conversation) for conversation in sorted((*new, *claimed), key=_key)]:
        await connection.execute(QUERIES["insert_conversations"], *zip(*rows, strict=True))
    if claims := [_key(conversation) for conversation in claimed]:
        await connection.execute(QUERIES["release_claims"], *zip(*claims, strict=True))
    if rows := [_UPDATED(conversation) for conversation in sorted(changed, key=_key)]:
        await connection.execute(QUERIES["update_conversations"], *zip(*rows, strict=True))


async def load_tombstones(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Tombstone]:
    """What stayed of those of `keys` that were deleted."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["load_tombstones"], accounts, ids)
    return {(row[0], row[1]): Tombstone(*row) for row in rows}


async def check_tombstones(
    connection: AnyConnection, new: Sequence[Conversation], known: Sequence[Tombstone | None]
) -> None:
    """Make sure that new conversations, now written, go on from the tombstones that were known.

    Another batch may have made and a third one deleted such a conversation since this one looked,
    and its versions would come twice. From here on nobody can. Raises asyncpg's
    SerializationError, as Postgres does for whatever was overtaken: the batch is tried again.
    """
    found = await load_tombstones(connection, [_key(conversation) for conversation in new])
    expected = [tombstone for tombstone in known if tombstone is not None]
    if sorted(found.values(), key=_key) != sorted(expected, key=_key):
        raise asyncpg.SerializationError("a conversation was made and deleted meanwhile")


async def delete_conversations(connection: AnyConnection, tombstones: Iterable[Tombstone]) -> None:
    """Remove conversations with all that belongs to them, and put a tombstone in their place."""
    if rows := [_TOMBSTONE(tombstone) for tombstone in sorted(tombstones, key=_key)]:
        accounts, ids, moments, users, versions = zip(*rows, strict=True)
        query = QUERIES["delete_conversations"]
        await connection.execute(query, accounts, ids, moments, users)
        query = QUERIES["save_tombstones"]
        await connection.execute(query, accounts, ids, moments, users, versions)
