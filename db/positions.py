"""How far each partition is applied. A claim of a position stops zombies, repeats and losses."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from db.connect import AnyConnection
from db.errors import PositionTaken
from db.queries import QUERIES

Partition = tuple[str, int]
"""A topic's full name and a partition's number."""


class Claim(NamedTuple):
    """A move of the position of a partition."""

    topic: str
    partition: int
    previous: int
    """Where this worker left the position. The offset of the first record may be higher: logs have
    gaps."""
    following: int


async def claim_positions(connection: AnyConnection, claims: Sequence[Claim]) -> None:
    """Move the positions of partitions, within the transaction that applies their records.

    Raises PositionTaken if one of them is not where this worker left it.
    """
    tag = await connection.execute(QUERIES["claim_positions"], *zip(*claims, strict=True))
    if tag != f"UPDATE {len(claims)}":
        raise PositionTaken(f"not all of {claims} are where they were")


async def load_position(connection: AnyConnection, partition: Partition) -> int:
    """Returns the offset of the first record not applied; 0 for a partition never assigned."""
    return await connection.fetchval(QUERIES["load_position"], *partition) or 0


async def stored_positions(
    connection: AnyConnection, topics: Collection[str]
) -> dict[Partition, int]:
    """Returns the positions of all partitions of topics that were ever assigned to a worker."""
    rows = await connection.fetch(QUERIES["stored_positions"], list(topics))
    return {(row[0], row[1]): row[2] for row in rows}


async def load_positions(
    connection: AnyConnection, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """Returns the positions of partitions; creates those that are missing, at 0.

    Only missing ones are inserted. An insert of an existing row would wait for a worker that has
    locked it, perhaps for the frozen one from which these partitions were taken.
    """
    if not partitions:
        return {}
    topics, numbers = zip(*partitions, strict=True)
    rows = await connection.fetch(QUERIES["load_positions"], topics, numbers)
    if len(rows) < len(partitions):
        await connection.execute(QUERIES["ensure_positions"], topics, numbers)
        rows = await connection.fetch(QUERIES["load_positions"], topics, numbers)
    return {(row[0], row[1]): row[2] for row in rows}
