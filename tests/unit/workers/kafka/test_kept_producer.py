"""The next producer comes before or after the end of the present one, and one is kept at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError

from workers.kafka import kept_producer
from workers.kafka.kept_producer import KeptProducer
from workers.settings import Settings

ENOUGH_TURNS = 50
"""Of the event loop, for everything that can go on to do so."""


class Producer:
    """A producer that starts and stops when it may."""

    def __init__(self) -> None:
        self.may_stop = asyncio.Event()
        self.is_stopped = False
        forever = asyncio.get_running_loop().create_future()
        self._sender = SimpleNamespace(sender_task=forever)


class Kafka:
    """Makes producers; while it is away none of them starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Producer] = []
        self.is_away = False
        monkeypatch.setattr(kept_producer, "new_producer", self._new)
        monkeypatch.setattr(kept_producer, "stop_producer", self._stop)
        monkeypatch.setattr(kept_producer, "PRODUCER_PAUSE_SECONDS", 0.0)

    def _new(self, *_: object, **__: object) -> Producer:
        producer = Producer()
        cast(Any, producer).start = self._start
        self.made.append(producer)
        return producer

    async def _start(self) -> None:
        if self.is_away:
            raise KafkaConnectionError

    async def _stop(self, producer: Producer) -> None:
        await producer.may_stop.wait()
        producer.is_stopped = True


@asynccontextmanager
async def kept(kafka: Kafka, *, hands_over: bool) -> AsyncIterator[KeptProducer]:
    checked = asyncio.Event()
    checked.set()
    settings = Settings.from_environment({"INBOX_KAFKA": "k:1"})
    producer = KeptProducer(settings, checked, "tests", hands_over=hands_over)
    keeping = asyncio.create_task(producer.keep())
    yield producer
    for each in kafka.made:
        each.may_stop.set()
    keeping.cancel()
    await asyncio.wait([keeping])
    assert all(each.is_stopped for each in kafka.made)


async def turns() -> None:
    for _ in range(ENOUGH_TURNS):
        await asyncio.sleep(0)


async def test_the_next_one_serves_while_the_old_one_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    async with kept(kafka, hands_over=True) as producer:
        first = await producer.get()
        producer.renew(first)
        await turns()
        second = await producer.get()
        assert [first, second] == kafka.made
        assert not kafka.made[0].is_stopped
        # The old one is not the present one any more.
        producer.renew(first)
        # One is old at a time: the present one goes on until the old one is stopped.
        producer.renew(second)
        await turns()
        assert len(kafka.made) == 2
        assert await producer.get() is second
        kafka.made[0].may_stop.set()
        await turns()
        assert await producer.get() is kafka.made[2]
        assert not kafka.made[1].is_stopped


async def test_the_old_one_is_stopped_even_if_no_other_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    async with kept(kafka, hands_over=True) as producer:
        first = await producer.get()
        kafka.made[0].may_stop.set()
        kafka.is_away = True
        producer.renew(first)
        await turns()
        kafka.made[1].may_stop.set()
        await turns()
        assert kafka.made[0].is_stopped
        assert not producer._started.is_set()
        kafka.is_away = False
        for each in kafka.made:
            each.may_stop.set()
        await turns()
        assert await producer.get() is kafka.made[-1]


async def test_without_a_handover_the_old_one_is_stopped_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    async with kept(kafka, hands_over=False) as producer:
        first = await producer.get()
        producer.renew()
        await turns()
        assert len(kafka.made) == 1
        assert not producer._started.is_set()
        kafka.made[0].may_stop.set()
        await turns()
        assert await producer.get() is kafka.made[1]
        assert first is not kafka.made[1]


async def test_one_that_sends_nothing_any_more_serves_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    async with kept(kafka, hands_over=True) as producer:
        await producer.get()
        kafka.made[0]._sender.sender_task.set_result(None)
        await turns()
        assert not producer._started.is_set()
        kafka.made[0].may_stop.set()
        await turns()
        assert await producer.get() is kafka.made[1]
