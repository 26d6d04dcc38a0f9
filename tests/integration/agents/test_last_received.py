"""The time at which a channel last received something is written without a wait for any lock."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from db.connect import Connection, connect
from db.directory import ChannelKey, save_last_received
from db.queries import QUERIES
from schemas.fields import AccountId, ChannelId
from tests.harness.inbox import Owner
from workers.settings import Settings, required

ACME = AccountId("acme")
FIRST, SECOND, UNKNOWN = ((ACME, ChannelId(name)) for name in ("wa1", "wa2", "unknown"))


@pytest.fixture
async def worker(database: Settings, owner: Owner) -> AsyncIterator[Connection]:
    """A connection as the workers use it, to a database with two channels."""
    for account_id, channel_id in (FIRST, SECOND):
        await owner.execute(
            "INSERT INTO inbox.channels (account_id, channel_id, provider, address, name,"
            " installed_by, removed, installed_at)"
            " VALUES ($1, $2, 'whatsapp', '+1', 'Sales', 'ana', false, now())",
            account_id,
            channel_id,
        )
    connection = await connect(required(database.database_url, "database"), "test")
    yield connection
    await connection.close()


async def times(owner: Owner) -> dict[ChannelKey, datetime | None]:
    """Returns the time of each channel."""
    rows = await owner.fetch("SELECT account_id, channel_id, last_received_at FROM inbox.channels")
    return {(row[0], row[1]): row[2] for row in rows}


async def test_a_locked_channel_is_passed_over_and_no_time_goes_back(
    worker: Connection, owner: Owner
) -> None:
    now: datetime = await worker.fetchval(QUERIES["clock"])
    async with owner.transaction():
        await owner.execute("SELECT FROM inbox.channels WHERE channel_id = 'wa1' FOR UPDATE")
        await save_last_received(worker, [SECOND, UNKNOWN, FIRST], now)
    assert await times(owner) == {FIRST: None, SECOND: now}

    later = now + timedelta(seconds=1)
    await save_last_received(worker, [FIRST], later)
    await save_last_received(worker, [FIRST, SECOND], now)
    assert await times(owner) == {FIRST: later, SECOND: now}
