"""Empties tables and topics before a system runs, and waits until it has reached a number."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from bench.checkers.tables import owner_connection
from bench.checkers.topics import topic_partitions
from workers.kafka.clients import client_arguments
from workers.settings import Settings

KEPT = {"accounts", "users", "channels", "migrations", "positions", "outbox_shards"}
"""Tables that stay: the directory, and the last numbers of the outbox."""

WRITTEN = ("conversations", "notifications")
"""Topics to which systems publish."""

ALL = -1
"""Kafka's number for the end of a partition."""

POLL_SECONDS = 0.02
FINISH_SECONDS = 1800

TABLES = Path(__file__).with_name("schema.sql").read_text()


async def empty(settings: Settings) -> None:
    """Remove what earlier runs left, so that all messages are applied again."""
    async with owner_connection(settings) as connection:
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
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        everything = RecordsToDelete(before_offset=ALL)
        await admin.delete_records(
            {tp: everything for topic in WRITTEN for tp in topic_partitions(settings, topic)}
        )
    finally:
        await admin.close()


async def until_first(
    settings: Settings, table: str, alive: Callable[[], None]
) -> tuple[float, int]:
    """Wait until a table has messages. Returns when (`time.monotonic`), and how many it had."""
    async with owner_connection(settings) as connection:
        # The count is cheap, since the table has few rows or none.
        async def count() -> int:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

        return await _until(count, 1, alive)


async def until_notified(settings: Settings, number: int, alive: Callable[[], None]) -> float:
    """Wait until there are so many notifications. Returns when (`time.monotonic`)."""
    tps = topic_partitions(settings, "notifications")
    consumer = AIOKafkaConsumer(**client_arguments(settings))
    async with consumer:
        start = sum((await consumer.beginning_offsets(tps)).values())

        async def count() -> int:
            return int(sum((await consumer.end_offsets(tps)).values()) - start)

        return (await _until(count, number, alive))[0]


async def until_committed(settings: Settings, number: int, alive: Callable[[], None]) -> float:
    """Wait until the group has committed so many offsets. Returns when (`time.monotonic`)."""
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
