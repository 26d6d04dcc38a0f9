"""The relay's transactions: a fenced owner publishes nothing more, and gets an error."""

import gc
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaError

from db.outbox import OutboxRecord
from tests.harness.topics import Topics
from workers.kafka.clients import stop_producer
from workers.outbox.kafka_transaction import transact, transactional_producer
from workers.settings import Settings


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect the garbage of each test here, and not in the middle of the next one.

    aiokafka leaves futures whose errors nobody reads. asyncio warns about them when they are
    collected.
    """
    yield
    gc.collect()


def _records(settings: Settings, value: bytes) -> list[OutboxRecord]:
    topic = settings.topic("results")
    return [OutboxRecord(topic, partition, b"key", value, None) for partition in range(4)]


async def test_an_owner_that_was_fenced_gets_a_kafka_error_each_time(
    settings: Settings, topics: Topics
) -> None:
    old, new = transactional_producer(settings, 0), transactional_producer(settings, 0)
    await old.start()
    try:
        await transact(old, _records(settings, b'"old"'))
        await new.start()
        # Whatever state the client is in by then, the shard starts again after a KafkaError.
        for _ in range(3):
            with pytest.raises(KafkaError):
                await transact(old, _records(settings, b'"fenced"'))
        await transact(new, _records(settings, b'"new"'))
    finally:
        await stop_producer(old)
        await stop_producer(new)
    read = await topics.read("results")
    assert sorted(record.value or b"" for record in read) == [b'"new"'] * 4 + [b'"old"'] * 4


async def test_a_transaction_that_fails_in_the_middle_publishes_nothing(
    settings: Settings, topics: Topics
) -> None:
    producer = transactional_producer(settings, 1)
    await producer.start()
    lost = OutboxRecord(settings.topic("results"), 99, b"key", b'"nowhere"', None)
    try:
        with pytest.raises((KafkaError, AssertionError)):
            await transact(producer, [*_records(settings, b'"half"'), lost])
    finally:
        await stop_producer(producer)
    assert await topics.read("results") == []
