"""The transactional outbox: records to be published, in commit order per shard."""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import NamedTuple

import cramjam
import msgspec

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.dead_letters import Header


class OutboxRecord(NamedTuple):
    """A Kafka record to be published."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] | None
    """None stands for the headers of an event in structured mode, which nearly all records have."""


class OutboxRow(NamedTuple):
    """What one batch emits to one shard, or a part of that."""

    shard: int
    number: int
    """Its place in the shard: 1, 2, 3 and so on, without gaps, in the order of commits."""
    records: Sequence[OutboxRecord]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[OutboxRecord]).decode

# The events of one batch are much alike. LZ4 reduces them to a seventh in a microsecond each;
# Postgres would otherwise write, log, read and delete all the bytes.
_compress = cramjam.lz4.compress_block
_decompress = cramjam.lz4.decompress_block


async def add_outbox(
    connection: AnyConnection, given: Sequence[tuple[int, Sequence[OutboxRecord]]]
) -> list[OutboxRow]:
    """Add rows, each a shard and its records, in order per shard. Returns them with their numbers.

    Locks the shards' counters until the transaction ends, so that numbers are in the order of
    commits. Call it once and last in a transaction. Raises LookupError if a shard has no counter.
    """
    if not given:
        return []
    given = sorted(given, key=itemgetter(0))
    shards = [shard for shard, _ in given]
    counts = [len(records) for _, records in given]
    payloads = [bytes(_compress(_encode(records))) for _, records in given]
    added = await connection.fetch(QUERIES["add_outbox"], shards, counts, payloads)
    if len(added) < len(given):
        raise LookupError(f"not all of the shards {shards} have a counter")
    numbered = sorted(added, key=itemgetter(0, 1))
    return [
        OutboxRow(shard, number, records)
        for (shard, number), (_, records) in zip(numbered, given, strict=True)
    ]


async def load_outbox(
    connection: AnyConnection, shard: int, after: int, rows_max: int
) -> list[OutboxRow]:
    """Returns the rows of a shard after a number, in order, at most `rows_max`."""
    rows = await connection.fetch(QUERIES["load_outbox"], shard, after, rows_max)
    return [OutboxRow(shard, number, _decode(_decompress(payload))) for number, payload in rows]


async def delete_outbox(connection: AnyConnection, shard: int, published: int) -> None:
    """Delete published rows, up to a number."""
    await connection.execute(QUERIES["delete_outbox"], shard, published)


async def outbox_numbers(connection: AnyConnection, shards: Collection[int]) -> dict[int, int]:
    """Returns the number of the newest row of each shard."""
    rows = await connection.fetch(QUERIES["outbox_numbers"], list(shards))
    return {row[0]: row[1] for row in rows}


async def outbox_age(connection: AnyConnection) -> tuple[int, float]:
    """Returns how many rows wait, and the age of the oldest in seconds."""
    row = await connection.fetchrow(QUERIES["outbox_age"])
    assert row is not None
    return row["rows"], row["age_seconds"]


async def ensure_shards(connection: AnyConnection, shards: int) -> None:
    """Create the counters of shards 0 to `shards` - 1 where they are missing."""
    await connection.execute(QUERIES["ensure_shards"], shards)
