"""The follower of topics: it begins at the present ends, and says when it lost its place."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.new_partitions import NewPartitions
from aiokafka.errors import KafkaConnectionError

from tests.harness.topics import Topics
from tests.harness.waiting import until
from workers.api.topic_follower import TopicFollower
from workers.kafka.adaptive_fetch import AdaptiveFetchConsumer
from workers.kafka.clients import client_arguments
from workers.kafka.records import KafkaRecord
from workers.process import metrics
from workers.settings import Settings

TOPIC, OTHER = "conversations", "notifications"


class Heard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.places = 0

    def take(self, topic: str, records: Sequence[KafkaRecord]) -> None:
        """Note the values, and their topic."""
        self.values += [topic.encode() + b" " + (record.value or b"") for record in records]

    def placed(self) -> None:
        """Count."""
        self.places += 1

    async def has_heard(self, count: int) -> bool:
        """Whether so many records came."""
        return len(self.values) >= count

    async def has_place(self, times: int) -> bool:
        """Whether it was placed so many times."""
        return self.places >= times


@asynccontextmanager
async def following(follower: TopicFollower) -> AsyncIterator[None]:
    """Run a follower meanwhile."""
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_it_reads_what_comes_from_now_on_and_tells_those_who_listen(
    settings: Settings, topics: Topics
) -> None:
    await topics.publish_raw(TOPIC, b"before")
    heard, other = Heard(), Heard()
    follower = TopicFollower(settings, {TOPIC: heard, OTHER: heard, "results": other})
    assert not follower.has_place
    async with following(follower):
        await until(lambda: other.has_place(1), "a place")
        assert follower.has_place
        await topics.publish_raw(TOPIC, b"1")
        await topics.publish_raw(OTHER, b"2")
        await topics.publish_raw("results", b"3")
        await until(lambda: heard.has_heard(2), "two records")
        await until(lambda: other.has_heard(1), "a record of another part")
    assert sorted(heard.values) == [b"conversations 1", b"notifications 2"]
    assert other.values == [b"results 3"]
    assert (heard.places, other.places) == (1, 1)
    lag = metrics.API_LAG_RECORDS.labels(TOPIC)._value.get()
    assert lag == 0


async def test_it_goes_on_where_it_was_when_its_consumer_fails(
    settings: Settings,
    topics: Topics,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard, poll = Heard(), AdaptiveFetchConsumer.getmany
    failed: list[AdaptiveFetchConsumer] = []

    async def fail_once(consumer: AdaptiveFetchConsumer, **given: Any) -> Any:
        if not heard.values or failed:
            return await poll(consumer, **given)
        failed.append(consumer)
        await topics.publish_raw(TOPIC, b"2", partition=0)
        raise KafkaConnectionError

    monkeypatch.setattr(AdaptiveFetchConsumer, "getmany", fail_once)
    follower = TopicFollower(settings, {TOPIC: heard})
    async with following(follower):
        await until(lambda: heard.has_place(1), "a place")
        await topics.publish_raw(TOPIC, b"1", partition=0)
        await until(lambda: heard.has_heard(2), "the record that came when the consumer failed")
    assert len(failed) == 1
    assert "the API follows nothing: KafkaConnectionError" in caplog.text
    assert heard.values == [b"conversations 1", b"conversations 2"]
    assert heard.places == 1


async def test_it_says_that_it_lost_its_place_where_records_are_gone(
    settings: Settings, topics: Topics
) -> None:
    heard = Heard()
    follower = TopicFollower(settings, {TOPIC: heard})
    async with following(follower):
        await until(lambda: heard.has_place(1), "a place")
    for _ in range(3):
        await topics.publish_raw(TOPIC, b"lost", partition=0)
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        partition = TopicPartition(settings.topic(TOPIC), 0)
        await admin.delete_records({partition: RecordsToDelete(3)})
        async with following(follower):
            await until(lambda: heard.has_place(2), "another place")
            await topics.publish_raw(TOPIC, b"1", partition=0)
            await until(lambda: heard.has_heard(1), "a record after it")
    finally:
        await admin.close()
    assert heard.values == [b"conversations 1"]


async def test_it_follows_partitions_that_are_added(settings: Settings, topics: Topics) -> None:
    heard = Heard()
    follower = TopicFollower(settings, {TOPIC: heard})
    async with following(follower):
        await until(lambda: heard.has_place(1), "a place")
        admin = AIOKafkaAdminClient(**client_arguments(settings))
        await admin.start()
        try:
            new = NewPartitions(settings.partitions + 1)
            await admin.create_partitions({settings.topic(TOPIC): new})
        finally:
            await admin.close()
        await until(lambda: heard.has_place(2), "a place in all of them")
        await topics.publish_raw(TOPIC, b"1", partition=settings.partitions)
        await until(lambda: heard.has_heard(1), "a record of the new partition")
