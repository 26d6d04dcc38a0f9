"""A consumer that a broker tells of no broker at first joins its group all the same."""

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from tests.waiting import until
from workers.kafka_clients import client_arguments
from workers.patient_consumer import PatientConsumer
from workers.settings import Settings


async def test_a_consumer_that_hears_of_no_broker_asks_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = AIOKafkaClient.bootstrap
    answers: list[int] = []

    async def starting(client: Any) -> None:
        await bootstrap(client)
        answers.append(len(client.cluster.brokers()))
        if len(answers) < 3:
            # As a broker answers that just started.
            client.cluster._brokers = {}

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", starting)
    consumer = PatientConsumer(**client_arguments(settings), group_id=settings.group)
    await consumer.start()
    try:
        consumer.subscribe([settings.topic("messages.received")])

        async def assigned() -> bool:
            await consumer.getmany(timeout_ms=100)
            return bool(consumer.assignment())

        await until(assigned, "an assignment")
    finally:
        await consumer.stop()
    assert len(answers) == 3
