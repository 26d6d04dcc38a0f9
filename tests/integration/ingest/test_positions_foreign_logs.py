"""A Kafka and a Postgres that are not of one history stop a worker, before it does any harm."""

import asyncio
from pathlib import Path

import asyncpg

from tests.harness.worker import Worker
from workers.settings import Settings

EXIT_SOFTWARE = 70


async def test_a_position_beyond_the_end_of_its_log_stops_the_worker(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    await owner.execute(
        "INSERT INTO inbox.positions VALUES ($1, 0, 500)", settings.topic("messages.received")
    )
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == EXIT_SOFTWARE
    assert "is applied up to 500, but its log ends at 0" in worker.log.read_text()
