"""The embedded Kafka is real, and keeps its records when it is killed."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.harness.waiting import LIMIT_SECONDS
from workers.dev.embedded.kafka import EmbeddedKafka

TOPIC = "greetings"


async def write_record(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=6 * 2**20
    ) as producer:
        await producer.send_and_wait(TOPIC, value)


async def read_record(bootstrap: str) -> bytes:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(LIMIT_SECONDS), consumer:
        record = await consumer.getone()
    return bytes(record.value)


def test_kafka_takes_a_record_of_five_mebibytes_and_keeps_it_when_killed(
    kafka: EmbeddedKafka,
) -> None:
    address, value = kafka.bootstrap, bytes(5 * 2**20)
    asyncio.run(write_record(address, value))

    kafka.kill()
    assert not kafka.running
    kafka.start()

    assert kafka.bootstrap == address
    assert asyncio.run(read_record(address)) == value
