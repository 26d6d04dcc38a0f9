"""A shard that is given up ends, even if its cancellation is lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import workers.outbox.shard
from db.connect import Pool, pool
from db.outbox import ensure_shards
from schemas.topics import RELAY_SHARDS
from workers.outbox.relay import Relay
from workers.settings import Settings, required

SHARD_STOP_SECONDS = 20.0
"""Three steps of stopping a producer, and some more time."""


@pytest.fixture
async def database_pool(settings: Settings) -> AsyncIterator[Pool]:
    """Connections as a worker has them."""
    async with pool(required(settings.database_url, "database"), "test", 4) as made:
        async with made.acquire() as connection:
            await ensure_shards(connection, RELAY_SHARDS)
        yield made


async def _fails_when_cancelled(reached: asyncio.Event) -> None:
    """Like a client that cannot be stopped in time: its error replaces the cancellation."""
    reached.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise TimeoutError from None


async def _returns_when_cancelled(reached: asyncio.Event) -> None:
    """Like `asyncio.wait_for` of Python 3.11 when its future is done at the same moment."""
    reached.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


@pytest.mark.parametrize("hangs", [_fails_when_cancelled, _returns_when_cancelled])
@pytest.mark.parametrize("step", ["read_marker", "load_outbox"])
async def test_a_shard_that_loses_its_cancellation_ends_all_the_same(
    settings: Settings,
    database_pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    hangs: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    original = getattr(workers.outbox.shard, step)
    reached = asyncio.Event()

    async def slow(*args: object, **options: object) -> object:
        await hangs(reached)
        return await original(*args, **options)

    monkeypatch.setattr(workers.outbox.shard, step, slow)
    relay = Relay(settings, database_pool)
    await relay.assign([0])
    async with asyncio.timeout(SHARD_STOP_SECONDS):
        await reached.wait()
    async with asyncio.timeout(SHARD_STOP_SECONDS):
        await relay.assign([])
