"""A marker that does not fit the outbox stops a worker, before it does any harm."""

import asyncio
from pathlib import Path

import asyncpg

from db.outbox import OutboxRecord, add_outbox, delete_outbox
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings

EXIT_SOFTWARE = 70


async def test_a_marker_beyond_the_outbox_stops_the_worker(
    settings: Settings,
    topics: Topics,
    owner: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    await owner.execute("INSERT INTO inbox.outbox_shards VALUES (0, 3)")
    await topics.publish_raw("relay", b'{"shard":0,"number":9}', key=b"0", partition=0)
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == EXIT_SOFTWARE
    assert "is published up to 9, but the outbox only counts to 3" in worker.log.read_text()


async def test_an_outbox_that_misses_a_row_stops_the_worker(
    settings: Settings,
    topics: Topics,
    owner: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    await owner.execute("INSERT INTO inbox.outbox_shards VALUES (0, 8)")
    await add_outbox(owner, [(0, [])])
    await topics.publish_raw("relay", b'{"shard":0,"number":7}', key=b"0", partition=0)
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == EXIT_SOFTWARE
    assert "row 8 is missing from the outbox" in worker.log.read_text()


async def test_rows_that_another_owner_published_meanwhile_are_not_missing(
    settings: Settings,
    topics: Topics,
    worker: Worker,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    # As a worker finds it that was frozen while another one had its shard.
    await topics.publish_raw("relay", b'{"shard":0,"number":3}', key=b"0", partition=0)
    async with owner.transaction():
        await add_outbox(owner, [(0, [])] * 3)
        await delete_outbox(owner, 0, 3)
        topic = settings.topic("results")
        await add_outbox(owner, [(0, [OutboxRecord(topic, 0, b"key", b'"next"', None)])])
    [told] = await topics.read_until("results", 1)
    assert told.value == b'"next"'
    assert worker.process.poll() is None


async def test_what_no_marker_says_is_published_is_published(
    settings: Settings,
    topics: Topics,
    worker: Worker,
    owner: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    # As after a restored backup: the counters are far, and Kafka has never seen a marker.
    assert await worker.stop() == 0
    await owner.execute("UPDATE inbox.outbox_shards SET last_number = 1000")
    again = Worker(settings, tmp_path / "again.log")
    await again.start()
    await topics.publish(message("whatsapp:+4911"))
    log = await topics.read_until("conversations", 2)
    assert [event.kind for event in log] == [
        "conversation.created",
        "conversation.message_recorded",
    ]
    assert await again.stop() == 0
