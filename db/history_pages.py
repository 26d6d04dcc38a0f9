"""Pages of a conversation's history, from the newest change to the oldest."""

from datetime import datetime
from typing import NamedTuple

import asyncpg

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId, ConversationId
from schemas.links import Entity

NEWEST_VERSION = 2**31 - 1
"""A version after every change: the largest number of the column."""


class StoredChange(NamedTuple):
    """A change of a conversation."""

    version: int
    type: str
    at: datetime
    actor_id: str | None
    actor_name: str | None
    reason: str
    assignee_id: str | None
    assignee_name: str | None
    entity: Entity | None


async def history_page(
    connection: AnyConnection,
    account_id: AccountId,
    conversation_id: ConversationId,
    before_version: int,
    changes_max: int,
) -> list[StoredChange] | None:
    """Returns the newest changes before a version, newest first.

    None if the account has no such conversation.
    """
    query = QUERIES["history_page"]
    rows = await connection.fetch(query, account_id, conversation_id, before_version, changes_max)
    if not rows:
        return None
    return [_change(row) for row in rows if row["version"] is not None]


def _change(row: asyncpg.Record) -> StoredChange:
    *values, entity_type, entity_id = row.values()
    entity = Entity(type=entity_type, id=entity_id) if entity_type is not None else None
    return StoredChange._make([*values, entity])
