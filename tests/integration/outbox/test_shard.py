"""A shard deletes the rows that it has published."""

import asyncpg

from db.outbox import OutboxRecord, add_outbox
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.outbox.shard import DELETE_ROWS
from workers.settings import Settings


async def test_few_rows_are_deleted_too_once_they_are_published(
    settings: Settings,
    topics: Topics,
    worker: Worker,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    async def is_empty() -> bool:
        return not await owner.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")

    topic = settings.topic("results")
    words = [b'"one"', b'"two"', b'"three"']
    assert len(words) < DELETE_ROWS
    added = [(0, [OutboxRecord(topic, 0, b"key", word, None)]) for word in words]
    await add_outbox(owner, added)
    published = await topics.read_until("results", len(words))
    assert [record.value for record in published] == words
    await until(is_empty, "published rows are deleted")
    assert worker.process.poll() is None
