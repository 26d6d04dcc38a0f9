"""Publishing in limited time, whoever waits for it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from schemas.cloudevents import CloudEvent
from schemas.directory import ChannelRemoved
from schemas.fields import AccountId, ChannelId
from workers.api.commands import publishing
from workers.api.commands.publishing import Publishing
from workers.api.problem import Problem
from workers.settings import Settings


class Producer:
    """Acknowledges a record when it is told to; stands for the kept one, too."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.was_sent = asyncio.Event()
        self.renewed: list[object] = []
        self.acknowledged: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def get(self) -> "Producer":
        return self

    def renew(self, unfit: object) -> None:
        self.renewed.append(unfit)

    async def send(self, _topic: str, value: bytes, **_: object) -> "asyncio.Future[str]":
        self.sent.append(value)
        self.was_sent.set()
        return self.acknowledged


def event(channel: str = "wa1") -> CloudEvent:
    data = ChannelRemoved(account_id=AccountId("acme"), channel_id=ChannelId(channel))
    return CloudEvent("e1", data.TYPE, datetime.now(UTC), data)


def through(producer: Any) -> Publishing:
    made = Publishing(Settings.from_environment({"INBOX_KAFKA": "k:1"}), asyncio.Event())
    made._producer = producer
    return made


async def test_a_client_that_goes_away_does_not_stop_it() -> None:
    producer = Producer()
    asked = asyncio.create_task(through(producer).publish(event()))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await producer.was_sent.wait()
    producer.acknowledged.set_result("done")
    assert len(producer.sent) == 1
    assert producer.renewed == []


async def test_what_takes_too_long_fails_and_the_producer_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "PUBLISH_SECONDS", 0.01)
    producer = Producer()
    with pytest.raises(TimeoutError):
        await through(producer).publish(event())
    assert producer.renewed == [producer]


async def test_a_producer_that_failed_is_replaced() -> None:
    producer = Producer()
    producer.acknowledged.set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await through(producer).publish(event())
    assert producer.renewed == [producer]


async def test_what_no_topic_takes_is_not_published() -> None:
    producer = Producer()
    with pytest.raises(Problem) as caught:
        await through(producer).publish(event("x" * 256 * 1024))
    assert caught.value.status == 413
    assert producer.sent == []
