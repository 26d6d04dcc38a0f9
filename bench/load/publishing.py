"""Publishes events to Kafka before a measurement, in large batches."""

from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from bench.load.input_events import InputEvent
from schemas.cloudevents import CONTENT_TYPE_HEADER
from workers.kafka.clients import client_arguments
from workers.settings import Settings

LOAD_BATCH_BYTES = 512 * 1024


async def publish(settings: Settings, events: Iterable[InputEvent]) -> int:
    """Publish events, and return how many they were once Kafka has all of them."""
    producer = AIOKafkaProducer(
        **client_arguments(settings),
        acks="all",
        linger_ms=20,
        max_batch_size=LOAD_BATCH_BYTES,
    )
    count = 0
    async with producer:
        for topic, key, value in events:
            count += 1
            await producer.send(
                settings.topic(topic), value, key=key.encode(), headers=[CONTENT_TYPE_HEADER]
            )
        await producer.flush()
    return count
