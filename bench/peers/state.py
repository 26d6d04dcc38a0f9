"""What a run finds and leaves: empty tables and topics before it, how far it is while it runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.topics import TOPICS
from workers.kafka.clients import client_arguments
from workers.settings import Settings

KEPT = {"accounts", "users", "channels", "migrations", "positions", "outbox_shards"}
"""Tables of what is known before a run: the directory, and how far the outbox is numbered."""

WRITTEN = ("conversations", "notifications")
"""Topics that a run writes."""

ALL = -1
"""Kafka's number for the end of a partition."""

POLL_SECONDS = 0.02
FINISH_SECONDS = 1800

TABLES = Path(__file__).with_name("schema.sql").read_text()


async def empty(settings: Settings) -> None:
    """Take away what the runs before left, so that messages are applied from the start again."""
    connection = await asyncpg.connect(settings.migration_database_url)
    try:
        names = {
            row[0]
            for row in await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'inbox'"
            )
        }
        tables = ", ".join(f"inbox.{name}" for name in sorted(names - KEPT))
        topic = settings.topic("messages.received")
        await connection.execute(f"TRUNCATE {tables}")
        await connection.execute("DELETE FROM inbox.positions WHERE topic = $1", topic)
        await connection.execute(TABLES)
    finally:
        await connection.close()
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        everything = RecordsToDelete(before_offset=ALL)
        await admin.delete_records(
            {tp: everything for topic in WRITTEN for tp in partitions(settings, topic)}
        )
    finally:
        await admin.close()


def partitions(settings: Settings, topic: str) -> list[TopicPartition]:
    """All partitions of a topic."""
    count = TOPICS[topic].partitions or settings.partitions
    return [TopicPartition(settings.topic(topic), number) for number in range(count)]


async def until_first(
    settings: Settings, table: str, alive: Callable[[], None]
) -> tuple[float, int]:
    """Wait until messages are seen in a table; when that was (monotonic), and how many they are."""
    connection = await asyncpg.connect(settings.migration_database_url)
    try:
        # To count a table that is empty, or hardly filled, costs nothing.
        async def count() -> int:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

        return await _until(count, 1, alive)
    finally:
        await connection.close()


async def until_told(settings: Settings, number: int, alive: Callable[[], None]) -> float:
    """Wait until so many notifications are published, by whom does not matter; when that was."""
    tps = partitions(settings, "notifications")
    consumer = AIOKafkaConsumer(**client_arguments(settings))
    async with consumer:
        start = sum((await consumer.beginning_offsets(tps)).values())

        async def count() -> int:
            return int(sum((await consumer.end_offsets(tps)).values()) - start)

        return (await _until(count, number, alive))[0]


async def until_committed(settings: Settings, number: int, alive: Callable[[], None]) -> float:
    """Wait until a group says that it is done with so many records; when that was."""
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:

        async def count() -> int:
            offsets = await admin.list_consumer_group_offsets(settings.group)
            return sum(max(found.offset, 0) for found in offsets.values())

        return (await _until(count, number, alive))[0]
    finally:
        await admin.close()


async def _until(
    count: Callable[[], Awaitable[int]], number: int, alive: Callable[[], None]
) -> tuple[float, int]:
    deadline = time.monotonic() + FINISH_SECONDS
    found = 0
    while time.monotonic() < deadline:
        alive()
        found = await count()
        if found >= number:
            return time.monotonic(), found
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"{found:,} of {number:,} within {FINISH_SECONDS} s")
