"""Clients start although a broker at first knows of no brokers; how they connect and stop."""

import asyncio
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.fetch import FetchRequest

from db.outbox import OutboxRecord
from tests.harness.waiting import until
from workers.kafka.adaptive_fetch import AdaptiveFetchConsumer
from workers.kafka.clients import (
    client_arguments,
    new_consumer,
    stop_consumer,
    stop_producer,
)
from workers.outbox.kafka_transaction import transact, transactional_producer
from workers.settings import Settings


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of brokers in each answer of a broker. The first two answers contain none."""
    bootstrap = AIOKafkaClient.bootstrap
    given: list[int] = []

    async def starting(client: Any) -> None:
        await bootstrap(client)
        if len(given) < 2:
            # A broker that has just started answers like this.
            client.cluster._brokers = {}
        given.append(len(client.cluster.brokers()))

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", starting)
    return given


async def test_a_consumer_joins_its_group_once_brokers_are_known(
    settings: Settings, answers: list[int]
) -> None:
    consumer = AdaptiveFetchConsumer(**client_arguments(settings), group_id=settings.group)
    await consumer.start()
    try:
        consumer.subscribe([settings.topic("messages.received")])

        async def assigned() -> bool:
            await consumer.getmany(timeout_ms=100)
            return bool(consumer.assignment())

        await until(assigned, "an assignment")
    finally:
        await consumer.stop()
    assert answers == [0, 0, 1]


async def test_the_producer_of_a_shard_starts_once_brokers_are_known(
    settings: Settings, answers: list[int]
) -> None:
    producer = transactional_producer(settings, 0)
    await producer.start()
    try:
        await transact(producer, [OutboxRecord(settings.topic("relay"), 0, b"0", b"{}", ())])
    finally:
        await stop_producer(producer)
    assert answers == [0, 0, 1]


async def test_a_connection_that_has_just_ended_is_not_used(settings: Settings) -> None:
    consumer = new_consumer(settings)
    await consumer.start()
    try:
        assert await consumer.topics()
        for connection in consumer._client._conns.values():
            connection._writer.transport.abort()
        # No turn of the event loop comes before this, so the reader has not noticed the end.
        assert await consumer.topics()
    finally:
        await stop_consumer(consumer)


async def test_stopping_a_consumer_whose_fetch_just_failed_cancels_nobody_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = AIOKafkaClient.send
    failed = asyncio.Event()

    async def refuse_fetches(client: Any, node: int, request: Any, **given: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(client, node, request, **given)
        failed.set()
        raise NodeNotReadyError

    monkeypatch.setattr(AIOKafkaClient, "send", refuse_fetches)
    topic = settings.topic("relay")
    # It would fetch again after a second. It is stopped before.
    consumer = new_consumer(settings, topic, retry_backoff_ms=1000)
    await consumer.start()
    await failed.wait()
    # aiokafka's own `stop` would raise CancelledError here, and leave the connections open.
    await stop_consumer(consumer)
    assert not any(each.connected() for each in consumer._client._conns.values())
