"""A worker that would dead-letter a flood of records stops instead, before the first of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.harness.dead_letters import SECRET, Owner, applied_to, good, publish
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings


async def test_a_flood_stops_the_worker_before_anything_is_set_aside(
    settings: Settings, topics: Topics, tmp_path: Path, owner: Owner
) -> None:
    end = await publish(settings, *[(b"key", SECRET.encode()) for _ in range(8)])
    flooded = Worker(replace(settings, dead_letter_run=7), tmp_path / "flooded.log")
    await flooded.start(ready=False)
    status = await asyncio.to_thread(flooded.process.wait, 60)

    assert status not in {0, None}
    written = flooded.log.read_text()
    assert "8 records in a row would be dead-lettered; raise INBOX_DEAD_LETTER_RUN" in written
    assert SECRET not in written
    query = "SELECT sum(next_offset)::bigint FROM inbox.positions"
    assert not await owner.fetchval(query)
    assert await topics.read("dead-letters") == []

    allowed = Worker(replace(settings, dead_letter_run=8), tmp_path / "allowed.log")
    await allowed.start()
    await applied_to(owner, settings, end)
    assert len(await topics.read_until("dead-letters", 8)) == 8
    await allowed.stop()


async def test_a_flood_of_what_postgres_refuses_stops_the_worker_too(
    settings: Settings, tmp_path: Path, owner: Owner
) -> None:
    await owner.execute("ALTER TABLE inbox.messages ADD CONSTRAINT nothing CHECK (false)")
    end = await publish(settings, *[good(number) for number in range(8)])
    flooded = Worker(replace(settings, dead_letter_run=3), tmp_path / "flooded.log")
    await flooded.start(ready=False)

    async def settled() -> bool:
        query = "SELECT max(next_offset) FROM inbox.positions"
        return flooded.process.poll() is not None or (await owner.fetchval(query) or 0) >= end

    await until(settled, "a worker that stops, or has dead-lettered all")
    flooded.kill()
    assert "records in a row would be dead-lettered" in flooded.log.read_text()
