"""How far each partition is applied: zombie fence, duplicate filter and loss detector in one."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from db.connect import AnyConnection
from db.errors import PositionTaken
from db.queries import QUERIES

Partition = tuple[str, int]
"""A topic's full name and a partition's number."""


class Claim(NamedTuple):
    """A move of a partition's position."""

    topic: str
    partition: int
    previous: int
    """Where this worker left it, not the offset of the first record: logs have gaps."""
    following: int


async def claim_positions(connection: AnyConnection, claims: Sequence[Claim]) -> None:
    """Move the positions of partitions within the transaction that applies their records.

    Raises PositionTaken when one of them is somewhere else.
    """
    tag = await connection.execute(QUERIES["claim_positions"], *zip(*claims, strict=True))
    if tag != f"UPDATE {len(claims)}":
        raise PositionTaken(f"not all of {claims} are where they were")


async def load_position(connection: AnyConnection, partition: Partition) -> int:
    """The offset of the first record that is not applied; 0 for a partition never assigned."""
    return await connection.fetchval(QUERIES["load_position"], *partition) or 0


async def load_positions(
    connection: AnyConnection, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """The positions of partitions, made at 0 where there is none yet.

    Made only where missing: an insert would wait for a worker that holds the row, which may be
    the frozen one whose partitions these were.
    """
    if not partitions:
        return {}
    topics, numbers = zip(*partitions, strict=True)
    rows = await connection.fetch(QUERIES["load_positions"], topics, numbers)
    if len(rows) < len(partitions):
        await connection.execute(QUERIES["ensure_positions"], topics, numbers)
        rows = await connection.fetch(QUERIES["load_positions"], topics, numbers)
    return {(row[0], row[1]): row[2] for row in rows}
