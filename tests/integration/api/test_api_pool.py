"""The pool of the API: whoever waits for a connection is told in time that there is none."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.unit.workers.api.given import operation, served
from workers.api.api_pool import ApiPool
from workers.api.operation import PREFIX, Call
from workers.settings import Settings, required


@pytest.fixture
def url(database: Settings) -> str:
    """The URL of the API's role."""
    return required(database.api_database_url, "database")


async def test_nobody_waits_without_end_for_a_connection(url: str) -> None:
    pool = ApiPool(url, 2)
    await pool.open()
    async with AsyncExitStack() as held:
        for _ in range(2):
            connection = await held.enter_async_context(pool.acquire())
            assert await connection.fetchval("SELECT 1") == 1

        async def ask() -> None:
            async with pool.acquire():
                pass

        async def handle(_api: Any, _call: Call) -> None:
            await ask()

        asked = await asyncio.gather(*(ask() for _ in range(100)), return_exceptions=True)
        assert {type(error) for error in asked} == {TimeoutError}
        async with served([operation(handle)]) as client:
            answered = await client.get(f"{PREFIX}/echo")
            assert (answered.status, answered.headers["Retry-After"]) == (503, "1")
    for _ in range(3):
        async with pool.acquire() as first, pool.acquire() as second:
            assert await first.fetchval("SELECT 1") == await second.fetchval("SELECT 1") == 1
    pool.close()


async def test_a_place_is_given_back_however_its_use_ends(url: str) -> None:
    pool = ApiPool(url, 1)
    await pool.open()
    with pytest.raises(ZeroDivisionError):
        async with pool.acquire():
            raise ZeroDivisionError
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), pool.acquire() as connection:
            await connection.execute("SELECT pg_sleep(60)")
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    pool.close()
    unreachable = ApiPool("postgresql://inbox_api@127.0.0.1:1/inbox", 1)
    await unreachable.open()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            async with unreachable.acquire():
                pass
    unreachable.close()
