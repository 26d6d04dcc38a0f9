"""Reads whole topics, as a `read_committed` consumer sees them."""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import TOPICS
from workers.kafka.clients import client_arguments
from workers.kafka.records import KafkaRecord
from workers.settings import Settings

READABLE_SECONDS = 60
"""How long to wait until a topic can be read to its end.

Kafka answers a commit before all partitions show it, and it aborts what a killed producer left open
only after a while.
"""


async def read(settings: Settings, topic: str) -> AsyncIterator[dict[str, Any]]:
    """The events of a topic, from the start to now, each partition in order."""
    async for record in read_records(settings, topic):
        yield msgspec.json.decode(record.value or b"")


async def read_records(settings: Settings, topic: str) -> AsyncIterator[KafkaRecord]:
    """The records of a topic, from the start to now, each partition in order."""
    tps = topic_partitions(settings, topic)
    async with _consumer(settings, "read_uncommitted") as consumer:
        ends = await consumer.end_offsets(tps)
    async with _consumer(settings, "read_committed") as consumer:
        consumer.assign(tps)
        newest_at = time.monotonic()
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            if time.monotonic() - newest_at > READABLE_SECONDS:
                raise TimeoutError(f"{topic} is not readable to its end")
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
                newest_at = time.monotonic()


def kind_of(event: dict[str, Any]) -> str:
    """Returns the word of an event's type that stands before the version, such as `linked`."""
    kind: str = event["type"].split(".")[-2]
    return kind


def topic_partitions(settings: Settings, topic: str) -> list[TopicPartition]:
    """Returns all partitions of a topic, which is given without its prefix."""
    count = TOPICS[topic].partitions or settings.partitions
    return [TopicPartition(settings.topic(topic), number) for number in range(count)]


async def end_offsets(settings: Settings, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Returns the end of each partition of topics, which are given without their prefix."""
    tps = [tp for topic in topics for tp in topic_partitions(settings, topic)]
    async with _consumer(settings, "read_committed") as consumer:
        ends = await consumer.end_offsets(tps)
    return {(tp.topic, tp.partition): end for tp, end in ends.items()}


def _consumer(settings: Settings, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_arguments(settings),
        isolation_level=isolation_level,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
