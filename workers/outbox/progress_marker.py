"""The progress markers on the topic `relay`: how far each shard is published.

A marker is in the same Kafka transaction as the records up to its number.
"""

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from db.outbox import OutboxRecord
from workers.kafka.clients import new_consumer, stop_consumer
from workers.outbox.kafka_transaction import STEP_SECONDS
from workers.settings import Settings

MARKER_RECORDS = 64
"""How many records are read back at first to find a marker; then four times as many, and so on."""


class Progress(msgspec.Struct, frozen=True):
    """The content of a marker: the number of a shard's newest published row."""

    shard: int
    number: int


_decode = msgspec.json.Decoder(Progress).decode
_encode = msgspec.json.Encoder().encode


def marker_record(settings: Settings, progress: Progress) -> OutboxRecord:
    """Returns a marker as a record of the shard's partition."""
    key = str(progress.shard).encode()
    return OutboxRecord(settings.topic("relay"), progress.shard, key, _encode(progress), ())


async def read_marker(settings: Settings, shard: int) -> int | None:
    """Returns the number in the last committed marker, or None if there is no marker.

    Raises KafkaError or TimeoutError.
    """
    consumer = new_consumer(settings, request_timeout_ms=int(STEP_SECONDS * 1000))
    marker = TopicPartition(settings.topic("relay"), shard)
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await consumer.start()
            consumer.assign([marker])
            return await _find_marker(consumer, marker)
    finally:
        await stop_consumer(consumer)


async def _find_marker(consumer: AIOKafkaConsumer, marker: TopicPartition) -> int | None:
    first = (await consumer.beginning_offsets([marker]))[marker]
    end = (await consumer.end_offsets([marker]))[marker]
    back = MARKER_RECORDS
    while end > first:
        consumer.seek(marker, max(first, end - back))
        found: int | None = None
        while await consumer.position(marker) < end:
            for record in (await consumer.getmany(marker, timeout_ms=200)).get(marker, ()):
                found = _decode(record.value).number
        if found is not None:
            return found
        if end - back <= first:
            break
        back *= 4
    return None
