"""The limits of a session: whatever becomes of a worker, its locks end."""

import asyncpg
import pytest

import db.connect
from db.connect import connect
from tests.waiting import until
from workers.settings import Settings, required


async def test_a_worker_that_froze_while_it_sent_a_statement_does_not_keep_its_locks(
    database: Settings,
    owner: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(db.connect._SESSION, "transaction_timeout", "2s")
    await owner.execute("INSERT INTO inbox.positions VALUES ('t', 0, 0)")
    frozen = await connect(required(database.database_url, "database"), "frozen")
    await frozen.execute("BEGIN")
    await frozen.execute("UPDATE inbox.positions SET next_offset = 1")
    # The beginning of a Parse message of 100,000 bytes, whose rest never comes.
    transport = frozen._transport  # type: ignore[attr-defined]  # asyncpg's own
    transport.write(b"P" + (100_000).to_bytes(4, "big") + b"SELECT")
    assert not await _is_free(owner)
    await until(lambda: _is_free(owner), "the end of the frozen transaction")
    frozen.terminate()


async def _is_free(owner: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether nobody holds the position."""
    return bool(await owner.fetch("SELECT FROM inbox.positions FOR UPDATE SKIP LOCKED"))
