"""Reads whole topics, as a `read_committed` consumer sees them."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import TOPICS
from workers.ingest.transport import KafkaRecord
from workers.kafka.clients import client_arguments
from workers.settings import Settings

READ_SECONDS = 60
"""Kafka answers a commit before every partition shows it, and ends what a killed producer left open
after a while: then all is readable."""


async def read(settings: Settings, topic: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a topic, from the start to now, each partition in order."""
    async for record in read_records(settings, topic):
        yield msgspec.json.decode(record.value or b"")


async def read_records(settings: Settings, topic: str) -> AsyncIterator[KafkaRecord]:
    """The records of a topic, from the start to now, each partition in order."""
    partitions = TOPICS[topic].partitions or settings.partitions
    tps = [TopicPartition(settings.topic(topic), number) for number in range(partitions)]
    async with _consumer(settings, "read_uncommitted") as consumer:
        ends = await consumer.end_offsets(tps)
    async with _consumer(settings, "read_committed") as consumer:
        consumer.assign(tps)
        heard_at = time.monotonic()
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            if time.monotonic() - heard_at > READ_SECONDS:
                raise TimeoutError(f"{topic} is not readable to its end")
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
                heard_at = time.monotonic()


def _consumer(settings: Settings, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_arguments(settings),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
