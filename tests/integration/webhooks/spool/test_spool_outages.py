"""While Kafka, Postgres or the receiver is down, every answered webhook is kept, in order."""

import asyncio
from dataclasses import replace

import pytest

from tests.harness.spool import (
    Scene,
    hanging,
    metric,
    started,
    until_drained,
)
from tests.harness.twilio import form
from tests.harness.waiting import until
from tests.harness.webhook_stream import WebhookStream, first_of_each
from workers.dev.embedded.ports import free_port

pytestmark = [pytest.mark.busy, pytest.mark.seconds(50)]

OUTAGE_SECONDS = 60.0
KILLS_SECONDS = 15.0
PER_SECOND = 200.0
ANSWER_SECONDS = 15.0
"""After that Twilio gives up. The webhook needs 3 at most; here both ends may wait for a core."""


async def until_taken(stream: WebhookStream, number: int) -> None:
    """Wait until so many webhooks are answered 204."""

    async def taken() -> bool:
        return stream.count >= number

    await until(taken, f"{number} webhooks taken")


@pytest.mark.long
async def test_kafka_is_away_for_a_while(scene: Scene) -> None:
    async with started(scene.settings, scene.log, "ingest,relay,web") as worker:
        stream = WebhookStream(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(stream.run(OUTAGE_SECONDS + 15))
        await until_taken(stream, 100)
        await asyncio.to_thread(scene.kafka.stop)
        await asyncio.sleep(OUTAGE_SECONDS)
        assert metric(await worker.metrics(), "inbox_spool_records") > 0
        await asyncio.to_thread(scene.kafka.start)
        await posting
        assert set(stream.statuses) == {204}
        assert stream.slowest_seconds < ANSWER_SECONDS
        await until_drained(worker)
        await scene.check(stream)
        # Webhooks go to Kafka directly again, and not through the spool.
        spooled = metric(await worker.metrics(), "inbox_spooled_total")
        assert spooled == metric(await worker.metrics(), "inbox_drained_total") > 500
        assert await scene.twilio.post(form()) == 204
        assert metric(await worker.metrics(), "inbox_spooled_total") == spooled
        written = worker.log.read_text()
        assert "whatsapp:" not in written
        assert "message 1" not in written


async def test_the_receiver_is_killed_while_kafka_is_away(scene: Scene) -> None:
    async with started(scene.settings, scene.log) as worker:
        stream = WebhookStream(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(stream.run(KILLS_SECONDS))
        await until_taken(stream, 100)
        await asyncio.to_thread(scene.kafka.kill)
        try:
            for number in (400, 800):
                await until_taken(stream, number)
                worker.kill()
                # It takes webhooks again, though Kafka is down when it starts.
                await worker.start()
            await until_taken(stream, 1200)
            await worker.stop()
            await worker.start()
            await posting
        finally:
            await asyncio.to_thread(scene.kafka.start)
        assert set(stream.statuses) == {204}
        others = replace(scene.settings, web_port=free_port())
        async with started(others, scene.log.with_name("ingest.log"), "ingest,relay"):
            await until_drained(worker)
            await scene.check(stream)


async def test_postgres_is_away_for_a_while(scene: Scene) -> None:
    await scene.owner.close()
    stream = WebhookStream(scene.twilio, PER_SECOND)
    await asyncio.to_thread(scene.postgres.stop)
    try:
        # Not even the start of a worker needs Postgres.
        async with started(scene.settings, scene.log) as worker:
            await stream.run(5)
            await asyncio.to_thread(scene.postgres.start)
            await until_drained(worker)
            # Again, while Postgres hangs and the channel is in the cache.
            async with hanging(scene.postgres):
                await stream.run(8)
            await until_drained(worker)
    finally:
        if not scene.postgres.running:
            await asyncio.to_thread(scene.postgres.start)
    assert set(stream.statuses) == {204}
    assert stream.slowest_seconds < ANSWER_SECONDS
    assert first_of_each(await scene.topics.read("messages.received")) == stream.answered
