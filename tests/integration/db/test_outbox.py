"""The rows of each shard of the outbox have numbers without gaps, in the order of commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from operator import itemgetter

import pytest

from db.connect import AnyConnection, Connection, Pool, connect, pool
from db.outbox import OutboxRecord, OutboxRow, add_outbox, ensure_shards, load_outbox
from tests.harness.waiting import until
from workers.settings import Settings, required

SHARDS = 3
TRANSACTIONS, AT_ONCE = 60, 6
ROWS_MAX = 1_000


@pytest.fixture
async def database_pool(database: Settings) -> AsyncIterator[Pool]:
    """Connections as a worker has them, and empty shards."""
    async with pool(required(database.database_url, "database"), "test", AT_ONCE) as made:
        async with made.acquire() as connection:
            await ensure_shards(connection, SHARDS)
        yield made


@pytest.fixture
async def observer(database: Settings) -> AsyncIterator[Connection]:
    """A connection that sees which locks the others wait for."""
    made = await connect(required(database.database_url, "database"), "observer")
    yield made
    await made.close()


def records(*words: str) -> list[OutboxRecord]:
    """Returns a record for each word."""
    return [OutboxRecord("results", 0, b"key", word.encode(), None) for word in words]


def places(rows: Sequence[OutboxRow]) -> list[tuple[int, int]]:
    """Returns the shard and the number of each row."""
    return [(row.shard, row.number) for row in rows]


async def words_of(connection: AnyConnection, shard: int) -> list[tuple[int, list[str]]]:
    """Returns the number and the words of each row of a shard, as the relay loads them."""
    rows = await load_outbox(connection, shard, 0, ROWS_MAX)
    return [
        (row.number, [str(record.value or b"", "utf-8") for record in row.records]) for row in rows
    ]


async def test_rows_of_one_shard_keep_their_order_among_those_of_others(
    database_pool: Pool,
) -> None:
    given = [
        (2, records("a")),
        (0, records("b", "c")),
        (2, records("d")),
        (0, records("e")),
        (2, records("f")),
    ]
    async with database_pool.acquire() as connection:
        added = await add_outbox(connection, given)
        assert places(added) == [(0, 1), (0, 2), (2, 1), (2, 2), (2, 3)]
        assert await words_of(connection, 0) == [(1, ["b", "c"]), (2, ["e"])]
        assert await words_of(connection, 1) == []
        assert await words_of(connection, 2) == [(1, ["a"]), (2, ["d"]), (3, ["f"])]
        # The rows that are handed over to the relay are those that it would load.
        for shard in range(SHARDS):
            loaded = await load_outbox(connection, shard, 0, ROWS_MAX)
            assert loaded == [row for row in added if row.shard == shard]


async def test_numbers_go_on_from_one_call_to_the_next(database_pool: Pool) -> None:
    async with database_pool.acquire() as connection:
        assert places(await add_outbox(connection, [(1, records("a"))] * 2)) == [(1, 1), (1, 2)]
        more = await add_outbox(connection, [(1, records("b")), (0, records("c"))])
    assert places(more) == [(0, 1), (1, 3)]


async def test_nothing_to_add_adds_nothing(database_pool: Pool) -> None:
    async with database_pool.acquire() as connection:
        assert await add_outbox(connection, []) == []


async def test_a_shard_without_a_counter_is_an_error_and_adds_nothing(database_pool: Pool) -> None:
    async with database_pool.acquire() as connection:
        with pytest.raises(LookupError, match="counter"):
            async with connection.transaction():
                await add_outbox(connection, [(0, records("a")), (SHARDS, records("b"))])
        assert await words_of(connection, 0) == []
        assert places(await add_outbox(connection, [(0, records("c"))])) == [(0, 1)]


@pytest.mark.parametrize("first_commits", [True, False])
async def test_who_adds_to_a_shard_waits_for_who_added_before_and_is_numbered_after(
    database_pool: Pool, observer: Connection, first_commits: bool
) -> None:
    async def second() -> list[OutboxRow]:
        async with database_pool.acquire() as connection, connection.transaction():
            # In the other order: the shards are locked in their own order all the same.
            return await add_outbox(connection, [(2, records("new")), (1, records("new", "too"))])

    async def waits() -> bool:
        return bool(
            await observer.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        )

    async with database_pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        first = await add_outbox(connection, [(1, records("old"))] * 2 + [(0, records("old"))])
        assert places(first) == [(0, 1), (1, 1), (1, 2)]
        adding = asyncio.create_task(second())
        await until(waits, "the second waits for a counter")
        assert not adding.done()
        await (transaction.commit() if first_commits else transaction.rollback())
    assert places(await adding) == [(1, 3 if first_commits else 1), (2, 1)]
    before = [(1, ["old"]), (2, ["old"])] if first_commits else []
    assert await words_of(observer, 1) == [*before, (len(before) + 1, ["new", "too"])]


async def test_many_at_once_leave_no_gap_and_never_deadlock(database_pool: Pool) -> None:
    async def add(number: int) -> list[OutboxRow]:
        shards = [(number + place) % SHARDS for place in range(number % 5 + 1)]
        given = [(shard, records(f"{number} {place}")) for place, shard in enumerate(shards)]
        async with database_pool.acquire() as connection, connection.transaction():
            return await add_outbox(connection, given)

    added = await asyncio.gather(*(add(number) for number in range(TRANSACTIONS)))
    rows = sorted((row for rows in added for row in rows), key=itemgetter(0, 1))
    async with database_pool.acquire() as connection:
        for shard, own in groupby(rows, itemgetter(0)):
            loaded = await load_outbox(connection, shard, 0, ROWS_MAX)
            assert [row.number for row in loaded] == list(range(1, len(loaded) + 1))
            assert loaded == list(own)
