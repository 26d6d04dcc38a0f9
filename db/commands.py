"""Which commands were applied: each is applied once."""

from collections.abc import Collection
from datetime import datetime, timedelta

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId

CommandKey = tuple[AccountId, str]

REMEMBERED = timedelta(days=7)
"""How long the ids of commands are kept: a repeat within this time changes nothing."""

PRUNED_MAX = 5_000
"""The limit of rows that one statement deletes, so that it does not hold its locks for long."""


async def applied_commands(
    connection: AnyConnection, keys: Collection[CommandKey]
) -> set[CommandKey]:
    """Returns those of `keys` that were applied before."""
    if not keys:
        return set()
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["applied_commands"], accounts, ids)
    return {(row[0], row[1]) for row in rows}


async def record_commands(
    connection: AnyConnection, keys: Collection[CommandKey], applied_at: datetime
) -> None:
    """Record that these commands are applied."""
    if keys:
        accounts, ids = zip(*keys, strict=True)
        await connection.execute(QUERIES["record_commands"], accounts, ids, applied_at)


async def prune_commands(connection: AnyConnection, now: datetime) -> int:
    """Delete the ids of old commands, at most `PRUNED_MAX`. Returns how many it deleted."""
    tag = await connection.execute(QUERIES["prune_commands"], now - REMEMBERED, PRUNED_MAX)
    return int(tag.split()[-1])
