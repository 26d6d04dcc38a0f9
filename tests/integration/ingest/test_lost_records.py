"""Records that retention deleted before a worker read them are said to be lost; work goes on."""

import re
from collections.abc import Sequence
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from tests.conftest import PARTITIONS
from tests.harness.dead_letters import Owner
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.kafka.clients import client_arguments
from workers.settings import Settings

TOPICS = ("messages.received", "messages.send", "assignments", "lifecycle", "links")
RECORDS = 5
"""Published to each partition before the worker is stopped, and again while it is away."""
STARTS = 4

BACKLOG, BACKLOG_BYTES = 150, 200_000
"""The records of a backlog, and their size: far more than a worker holds in memory."""

LOST = re.compile(r"(\S+)\[(\d+)\]: up to (\d+) records are lost, offsets (\d+) to (\d+):")


async def publish_everywhere(topics: Topics) -> None:
    """Publish records that are dead letters, as the simplest that can be told, to all."""
    for topic in TOPICS:
        for partition in range(PARTITIONS):
            for _ in range(RECORDS):
                await topics.publish_raw(topic, b"x", partition=partition)


async def delete_before(
    settings: Settings, offset: int, topics: Sequence[str] = TOPICS, partitions: int = PARTITIONS
) -> None:
    """Delete the records of partitions before an offset, as retention does."""
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        await admin.delete_records(
            {
                TopicPartition(settings.topic(topic), partition): RecordsToDelete(offset)
                for topic in topics
                for partition in range(partitions)
            }
        )
    finally:
        await admin.close()


async def applied_to(owner: Owner, settings: Settings, offset: int) -> None:
    """Wait until the position of every partition is here."""
    names = [settings.topic(topic) for topic in TOPICS]

    async def applied() -> bool:
        rows = await owner.fetch(
            "SELECT next_offset FROM inbox.positions WHERE topic = ANY($1)", names
        )
        return [row[0] for row in rows] == [offset] * len(TOPICS) * PARTITIONS

    await until(applied, f"positions at {offset}")


def losses(worker: Worker) -> list[tuple[str, int, int, int, int]]:
    """Returns the losses that a worker has told: topic, partition, number, first, last."""
    found = [line for line in worker.log.read_text().splitlines() if "are lost" in line]
    assert all("ERROR" in line for line in found), found
    matches = [LOST.search(line) for line in found]
    return sorted((m[1], *map(int, m.groups()[1:])) for m in matches if m)  # type: ignore[misc]


def expected(settings: Settings, first: int, last: int) -> list[tuple[str, int, int, int, int]]:
    """Returns the loss of these offsets in each partition."""
    return sorted(
        (settings.topic(topic), partition, last + 1 - first, first, last)
        for topic in TOPICS
        for partition in range(PARTITIONS)
    )


async def test_what_retention_deleted_while_no_worker_ran_is_told_once(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start()
    await publish_everywhere(topics)
    await applied_to(owner, settings, RECORDS)
    await worker.stop()

    await publish_everywhere(topics)
    end = 2 * RECORDS
    await delete_before(settings, end)
    await worker.start()
    await applied_to(owner, settings, end)
    assert losses(worker) == expected(settings, RECORDS, end - 1)
    told = await worker.metrics()
    for topic in TOPICS:
        assert f'inbox_lost_records_total{{topic="{topic}"}} {PARTITIONS * RECORDS}.0' in told
    assert await worker.is_ready()

    for _ in range(STARTS):
        await worker.stop()
        await worker.start()
    await topics.publish(message("whatsapp:+4911"))
    await topics.read_until("conversations", 2)
    assert losses(worker) == expected(settings, RECORDS, end - 1)
    await worker.stop()


async def test_a_loss_ends_where_the_log_begins(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    """Also before the first start: Kafka acknowledged those records."""
    await publish_everywhere(topics)
    await delete_before(settings, 2)
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start()
    await applied_to(owner, settings, RECORDS)
    assert losses(worker) == expected(settings, 0, 1)
    letters = await topics.read_until("dead-letters", len(TOPICS) * PARTITIONS * (RECORDS - 2))
    assert {letter.header("dl_offset") for letter in letters} == {"2", "3", "4"}
    await worker.stop()


async def test_what_is_deleted_under_a_busy_worker_is_told_after_what_it_had_fetched(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("LOCK TABLE inbox.positions IN SHARE MODE")  # nothing can be applied
    for _ in range(BACKLOG):
        await topics.publish_raw("links", b"x" * BACKLOG_BYTES, partition=0)
    await delete_before(settings, BACKLOG, ["links"], 1)
    await transaction.rollback()

    name = settings.topic("links")

    async def applied() -> bool:
        query = "SELECT next_offset FROM inbox.positions WHERE topic = $1 AND partition = 0"
        return bool(await owner.fetchval(query, name) == BACKLOG)

    await until(applied, "the position at the end")

    async def told() -> bool:
        return bool(losses(worker))

    await until(told, "the loss")
    [(topic, partition, number, first, last)] = losses(worker)
    assert (topic, partition, number, last) == (name, 0, last + 1 - first, BACKLOG - 1)
    letters = await topics.read_until("dead-letters", first)
    assert [int(letter.header("dl_offset") or "") for letter in letters] == list(range(first))
    assert await worker.is_ready()
