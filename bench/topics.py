"""Reads whole topics, as a `read_committed` consumer sees them."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import TOPICS
from workers.settings import Settings, required


async def read(settings: Settings, topic: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a topic, from the start to now, each partition in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    partitions = TOPICS[topic].partitions or settings.partitions
    tps = [TopicPartition(settings.topic(topic), number) for number in range(partitions)]
    async with consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield msgspec.json.decode(record.value)
