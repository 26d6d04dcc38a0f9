"""Which dead letters were redriven."""

from collections.abc import Collection

from db.connect import AnyConnection
from db.queries import QUERIES

DeadLetterKey = tuple[int, int]
"""A dead letter's partition and offset."""


async def redriven(
    connection: AnyConnection, keys: Collection[DeadLetterKey]
) -> set[DeadLetterKey]:
    """Returns those of `keys` that were redriven before."""
    if not keys:
        return set()
    partitions, offsets = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["redriven"], partitions, offsets)
    return {(row[0], row[1]) for row in rows}


async def record_redrives(connection: AnyConnection, keys: Collection[DeadLetterKey]) -> None:
    """Record that dead letters were redriven. A second redrive keeps the time of the first."""
    if keys:
        partitions, offsets = zip(*keys, strict=True)
        await connection.execute(QUERIES["record_redrives"], partitions, offsets)
