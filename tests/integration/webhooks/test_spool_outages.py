"""Webhooks while Kafka, Postgres or the receiver is away: what was answered is there, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.harness.spool import (
    Scene,
    Servers,
    hanging,
    metric,
    own_servers,
    set_scene,
    settings_of,
    started,
    until_drained,
)
from tests.harness.topics import Bus
from tests.harness.twilio import form
from tests.harness.waiting import until
from tests.harness.webhook_stream import Steady, first_of_each
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

OUTAGE_SECONDS = 60.0
KILLS_SECONDS = 15.0
PER_SECOND = 200.0
ANSWER_SECONDS = 15.0
"""After which Twilio gives up. The webhook aims at 3; both ends may wait for a core here."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A Postgres and a Kafka; whoever stops one starts it again."""
    with own_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
async def settings(servers: Servers, tmp_path: Path) -> Settings:
    """Settings that name a database and topics of the test's own on these servers."""
    return await settings_of(servers, tmp_path / "data")


@pytest.fixture
async def scene(
    servers: Servers, settings: Settings, bus: Bus, session: aiohttp.ClientSession, tmp_path: Path
) -> AsyncIterator[Scene]:
    """Servers that run, channels that are installed, and no worker yet."""
    async with set_scene(servers, settings, bus, session, tmp_path / "worker.log") as scene:
        yield scene


async def until_taken(steady: Steady, number: int) -> None:
    """Wait until so many webhooks are answered 204."""

    async def taken() -> bool:
        return steady.count >= number

    await until(taken, f"{number} webhooks taken")


async def test_kafka_is_away_for_a_while(scene: Scene) -> None:
    async with started(scene.settings, scene.log, "ingest,relay,web") as worker:
        steady = Steady(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(steady.run(OUTAGE_SECONDS + 15))
        await until_taken(steady, 100)
        await asyncio.to_thread(scene.kafka.stop)
        await asyncio.sleep(OUTAGE_SECONDS)
        assert metric(await worker.metrics(), "inbox_spool_records") > 0
        await asyncio.to_thread(scene.kafka.start)
        await posting
        assert set(steady.statuses) == {204}
        assert steady.slowest_seconds < ANSWER_SECONDS
        await until_drained(worker)
        await scene.check(steady)
        # Directly again, and not through the disk.
        spooled = metric(await worker.metrics(), "inbox_spooled_total")
        assert spooled == metric(await worker.metrics(), "inbox_drained_total") > 500
        assert await scene.twilio.post(form()) == 204
        assert metric(await worker.metrics(), "inbox_spooled_total") == spooled
        written = worker.log.read_text()
        assert "whatsapp:" not in written
        assert "message 1" not in written


async def test_the_receiver_is_killed_while_kafka_is_away(scene: Scene) -> None:
    async with started(scene.settings, scene.log) as worker:
        steady = Steady(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(steady.run(KILLS_SECONDS))
        await until_taken(steady, 100)
        await asyncio.to_thread(scene.kafka.kill)
        try:
            for number in (400, 800):
                await until_taken(steady, number)
                worker.kill()
                # It takes webhooks again though there is no Kafka to start with.
                await worker.start()
            await until_taken(steady, 1200)
            await worker.stop()
            await worker.start()
            await posting
        finally:
            await asyncio.to_thread(scene.kafka.start)
        assert set(steady.statuses) == {204}
        others = replace(scene.settings, web_port=free_port())
        async with started(others, scene.log.with_name("ingest.log"), "ingest,relay"):
            await until_drained(worker)
            await scene.check(steady)


async def test_postgres_is_away_for_a_while(scene: Scene) -> None:
    await scene.owner.close()
    steady = Steady(scene.twilio, PER_SECOND)
    await asyncio.to_thread(scene.postgres.stop)
    try:
        # Not even a start needs it.
        async with started(scene.settings, scene.log) as worker:
            await steady.run(5)
            await asyncio.to_thread(scene.postgres.start)
            await until_drained(worker)
            # Once more, now that the channel is known, and Postgres hangs.
            async with hanging(scene.postgres):
                await steady.run(8)
            await until_drained(worker)
    finally:
        if not scene.postgres.running:
            await asyncio.to_thread(scene.postgres.start)
    assert set(steady.statuses) == {204}
    assert steady.slowest_seconds < ANSWER_SECONDS
    assert first_of_each(await scene.bus.read("messages.received")) == steady.answered
