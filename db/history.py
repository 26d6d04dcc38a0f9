"""The history of conversations: who assigned, closed, reopened and linked them, and why."""

from collections.abc import Sequence
from typing import NamedTuple

from db.connect import AnyConnection
from db.conversations import conversation_key, load_tombstones, lock_conversations
from db.queries import QUERIES
from domain.history import HistoryEntry


class Restored(NamedTuple):
    """What one transaction restored of the history."""

    added: int
    """Entries that were missing."""
    removed: int
    """Entries of conversations that were deleted by a program that knew nothing of the history."""


async def insert_history(connection: AnyConnection, entries: Sequence[HistoryEntry]) -> None:
    """Write what a transaction adds to the history of conversations whose rows it holds."""
    if entries:
        await connection.execute(QUERIES["insert_history"], *zip(*entries, strict=True))


async def restore_history(connection: AnyConnection, logged: Sequence[HistoryEntry]) -> Restored:
    """Make the history equal what the log says of it, in one transaction.

    Of conversations that exist, the entries since they were last deleted are kept. The rows of the
    conversations are locked meanwhile, so that none is deleted. What workers write at the same time
    is what the log will say.
    """
    keys = {conversation_key(entry) for entry in logged}
    async with connection.transaction():
        conversations = await lock_conversations(connection, keys)
        tombstones = await load_tombstones(connection, keys)
        kept, deleted = [], []
        for entry in logged:
            conversation = conversations.get(conversation_key(entry))
            tombstone = tombstones.get(conversation_key(entry))
            if tombstone is not None and entry.version <= tombstone.version:
                deleted.append(entry)
            elif conversation is not None and entry.version <= conversation.version:
                kept.append(entry)
        added = removed = "0"
        if kept:
            query = QUERIES["insert_missing_history"]
            added = await connection.execute(query, *zip(*kept, strict=True))
        if deleted:
            accounts, ids, versions = zip(*(entry[:3] for entry in deleted), strict=True)
            query = QUERIES["delete_history"]
            removed = await connection.execute(query, accounts, ids, versions)
    return Restored(int(added.split()[-1]), int(removed.split()[-1]))
