"""Fakes of the functions of `db` about positions, the history and the outbox."""

from collections.abc import Collection, Sequence
from operator import itemgetter

from db.errors import PositionTaken
from db.outbox import OutboxRecord, OutboxRow
from db.positions import Claim, Partition
from domain.history import HistoryEntry
from tests.simulation.postgres import Connection


async def claim_positions(connection: Connection, claims: Sequence[Claim]) -> None:
    transaction = await connection.statement("claim positions")
    partitions = {claim[:2] for claim in claims}
    if len(partitions) > 1:
        connection.met("several partitions in one transaction")
    if len(partitions) < len(claims):
        connection.met("polls of a partition with a gap between them")
        # One statement moves a row once, and two that it should have moved are one too few.
        raise PositionTaken("a partition is claimed twice")
    for topic, number, previous, following in claims:
        partition = (topic, number)
        await transaction.lock("positions", partition)
        if (transaction.get("positions", partition) or 0) != previous:
            connection.met("a position that was claimed already")
            raise PositionTaken(f"{partition} is no longer at {previous}")
        transaction.put("positions", partition, following)


async def load_position(connection: Connection, partition: Partition) -> int:
    transaction = await connection.statement("load the position")
    return transaction.get("positions", partition) or 0


async def insert_history(connection: Connection, entries: Sequence[HistoryEntry]) -> None:
    if entries:
        transaction = await connection.statement("insert history")
        for entry in entries:
            await transaction.insert("history", entry[:3], entry)


async def add_outbox(
    connection: Connection, given: Sequence[tuple[int, Sequence[OutboxRecord]]]
) -> list[OutboxRow]:
    if not given:
        return []
    transaction = await connection.statement("add to the outbox")
    if len({shard for shard, _ in given}) < len(given):
        connection.met("several rows of a shard in one statement")
    rows = []
    for shard, records in sorted(given, key=itemgetter(0)):
        await transaction.lock("outbox_shards", shard)
        number = (transaction.get("outbox_shards", shard) or 0) + 1
        transaction.put("outbox_shards", shard, number)
        row = OutboxRow(shard, number, list(records))
        await transaction.insert("outbox", (shard, number), row)
        rows.append(row)
    return rows


async def load_outbox(
    connection: Connection, shard: int, after: int, rows_max: int
) -> list[OutboxRow]:
    transaction = await connection.statement("load the outbox")
    rows = transaction.rows("outbox")
    numbers = sorted(number for where, number in rows if where == shard and number > after)
    if numbers and numbers[0] > after + 1:
        connection.met("a relay that finds rows gone")
    return [rows[shard, number] for number in numbers[:rows_max]]


async def delete_outbox(connection: Connection, shard: int, published: int) -> None:
    transaction = await connection.statement("delete from the outbox")
    for where, number in list(transaction.rows("outbox")):
        if where == shard and number <= published:
            transaction.remove("outbox", (where, number))
    transaction.commit()


async def outbox_numbers(connection: Connection, shards: Collection[int]) -> dict[int, int]:
    transaction = await connection.statement("load the counters")
    found = ((shard, transaction.get("outbox_shards", shard)) for shard in shards)
    return {shard: number for shard, number in found if number is not None}
