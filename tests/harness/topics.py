"""Publishes to the topics of a test, and reads them as a `read_committed` consumer."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import TOPICS
from tests.harness.input_events import Event
from tests.harness.waiting import LIMIT_SECONDS, until
from workers.kafka.clients import client_arguments
from workers.kafka.topic_admin import new_topic
from workers.settings import Settings


class ReadRecord(NamedTuple):
    """A record that was read from a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def event(self) -> dict[str, Any]:
        """The value as a CloudEvent."""
        assert self.value is not None
        decoded: dict[str, Any] = msgspec.json.decode(self.value)
        return decoded

    @property
    def data(self) -> dict[str, Any]:
        """The CloudEvent's data."""
        data: dict[str, Any] = self.event["data"]
        return data

    @property
    def kind(self) -> str:
        """The CloudEvent's type without `inbox.` and `.v1`."""
        kind: str = self.event["type"]
        return kind.removeprefix("inbox.").removesuffix(".v1")

    def header(self, name: str) -> str | None:
        """Returns the value of the last header with a name; None without one."""
        found = [value for key, value in self.headers if key == name]
        return found[-1].decode() if found else None


async def create_topics(settings: Settings) -> None:
    """Create the topics of a test, and wait until Kafka knows them.

    `ensure_topics` asks for all topics of Kafka. Here these are the topics of hundreds of tests:
    after 250 of them, that takes a quarter of a second of CPU in this process alone.
    """
    names = [settings.topic(name) for name in TOPICS]
    admin = AIOKafkaAdminClient(**client_arguments(settings))

    async def known() -> bool:
        return not any(each["error_code"] for each in await admin.describe_topics(names))

    try:
        await admin.start()
        response = await admin.create_topics(
            [new_topic(settings, topic) for topic in TOPICS.values()]
        )
        assert not any(code for _name, code, *_ in response.topic_errors), response
        await until(known, "the topics of the test")
    finally:
        await admin.close()


async def delete_topics(settings: Settings) -> None:
    """Delete the topics of a test, as far as they are there.

    A broker holds a few open files for each partition: with the topics of all tests, it would reach
    the limit of a process.
    """
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    try:
        await admin.start()
        await admin.delete_topics([settings.topic(name) for name in TOPICS])
    finally:
        await admin.close()


class Topics:
    """The topics of a test. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._arguments = client_arguments(settings)
        self._producer = AIOKafkaProducer(
            **self._arguments,
            acks="all",
            max_request_size=8 * 1024 * 1024,
            linger_ms=5,
            max_batch_size=256 * 1024,
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, *events: Event) -> None:
        """Publish events in order, and return when Kafka has all of them."""
        await asyncio.gather(
            *[
                await self._producer.send(self._settings.topic(topic), value, key=key.encode())
                for topic, key, value in events
            ]
        )

    async def publish_raw(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        partition: int | None = None,
        *,
        timestamp: int | None = None,
    ) -> tuple[int, int]:
        """Publish any bytes, and return their partition and offset.

        `timestamp` is the record's, in milliseconds; None: now.
        """
        sent = await self._producer.send_and_wait(
            self._settings.topic(topic),
            value,
            key=key,
            headers=list(headers),
            partition=partition,
            timestamp_ms=timestamp,
        )
        return sent.partition, sent.offset

    async def read(self, topic: str) -> list[ReadRecord]:
        """Returns all committed records of a topic, by partition and offset."""
        consumer = AIOKafkaConsumer(
            **self._arguments,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        await consumer.start()
        try:
            return await self._read(consumer, topic)
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer, topic: str) -> list[ReadRecord]:
        partitions = TOPICS[topic].partitions or self._settings.partitions
        name = self._settings.topic(topic)
        tps = [TopicPartition(name, number) for number in range(partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        read: list[ReadRecord] = []
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                read += [
                    ReadRecord(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers))
                    for r in records
                ]
        return sorted(read, key=lambda record: (record.partition, record.offset))

    async def read_until(
        self,
        topic: str,
        enough: int | Callable[[list[ReadRecord]], bool],
        seconds: float = LIMIT_SECONDS,
    ) -> list[ReadRecord]:
        """Wait until a topic has enough records, and return all of them.

        `enough` is a number of records, or a condition on them.
        """

        async def read_enough() -> list[ReadRecord]:
            records = await self.read(topic)
            done = len(records) >= enough if isinstance(enough, int) else enough(records)
            return records if done else []

        return await until(read_enough, f"records on {topic}", seconds)
