"""The limits of a session: the locks of a worker end, whatever happens to the worker."""

from collections.abc import AsyncIterator
from functools import partial
from typing import TypeAlias

import asyncpg
import pytest

from db.connect import FROZEN_SECONDS, Connection, connect, end_frozen_transactions
from tests.harness.waiting import until
from workers.settings import Settings, required

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def frozen(database: Settings, owner: Owner) -> AsyncIterator[Connection]:
    """A worker's connection in a transaction that holds a position, limited to two seconds."""
    await owner.execute("INSERT INTO inbox.positions VALUES ('t', 0, 0)")
    frozen = await connect(required(database.database_url, "database"), "frozen")
    await frozen.execute("SET transaction_timeout = '2s'")
    await frozen.execute("BEGIN")
    await frozen.execute("UPDATE inbox.positions SET next_offset = 1")
    yield frozen
    frozen.terminate()


async def test_a_worker_that_froze_while_it_sent_a_statement_does_not_keep_its_locks(
    frozen: Connection, owner: Owner
) -> None:
    # The beginning of a Parse message of 100,000 bytes; the rest never comes.
    _write(frozen, b"P" + (100_000).to_bytes(4, "big") + b"SELECT")
    assert not await _is_free(owner)
    await until(lambda: _is_free(owner), "the end of the frozen transaction")


async def test_a_worker_that_froze_in_a_copy_does_not_keep_its_locks_from_others(
    frozen: Connection, owner: Owner, database: Settings
) -> None:
    copy = b"COPY inbox.positions FROM STDIN\0"
    _write(frozen, b"Q" + (len(copy) + 4).to_bytes(4, "big") + copy)
    other = await connect(required(database.database_url, "database"), "other")
    await until(lambda: _is_copying(other), "the COPY")
    assert await end_frozen_transactions(other, FROZEN_SECONDS) == 0
    # The limit of the transaction has passed, and did not end it.
    age = "SELECT max(clock_timestamp() - xact_start) > '4 s' FROM pg_stat_activity"
    await until(partial(other.fetchval, f"{age} WHERE application_name = 'frozen'"), "its end")
    assert not await _is_free(owner)
    assert await end_frozen_transactions(other, older_than_seconds=4.0) == 1
    await until(lambda: _is_free(owner), "the end of the frozen transaction")
    await other.close()


def _write(connection: Connection, data: bytes) -> None:
    connection._transport.write(data)  # type: ignore[attr-defined]  # asyncpg's own


async def _is_copying(connection: Connection) -> bool:
    found = await connection.fetch(
        "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientRead' AND query LIKE 'COPY %'"
    )
    return bool(found)


async def _is_free(owner: Owner) -> bool:
    """Whether no transaction has locked the position."""
    return bool(await owner.fetch("SELECT FROM inbox.positions FOR UPDATE SKIP LOCKED"))
