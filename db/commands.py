"""Which commands are answered: each is applied once."""

from collections.abc import Collection
from datetime import datetime, timedelta

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId

CommandKey = tuple[AccountId, str]

REMEMBERED = timedelta(days=7)
"""A repeat within this time changes nothing and emits nothing."""

PRUNED_MAX = 5_000
"""How many are forgotten in one statement, so that none holds its locks for long."""


async def applied_commands(
    connection: AnyConnection, keys: Collection[CommandKey]
) -> set[CommandKey]:
    """Those of `keys` that are answered already."""
    if not keys:
        return set()
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["applied_commands"], accounts, ids)
    return {(row[0], row[1]) for row in rows}


async def record_commands(
    connection: AnyConnection, keys: Collection[CommandKey], applied_at: datetime
) -> None:
    """Remember that these are answered."""
    if keys:
        accounts, ids = zip(*keys, strict=True)
        await connection.execute(QUERIES["record_commands"], accounts, ids, applied_at)


async def prune_commands(connection: AnyConnection, now: datetime) -> int:
    """Forget old commands, a limited number of them; how many it forgot."""
    tag = await connection.execute(QUERIES["prune_commands"], now - REMEMBERED, PRUNED_MAX)
    return int(tag.split()[-1])
