"""Reads a topic as it is now: all its records, a few at a time, or one by partition and offset."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from workers.kafka.clients import new_consumer, stop_consumer
from workers.settings import Settings

FETCH_BYTES_MAX = 8 * 1024 * 1024
"""Limits what memory holds, however many records there are."""

KAFKA_ANSWER_SECONDS = 30
"""The longest wait for an answer of Kafka."""


class TopicLog:
    """A topic as a `read_committed` consumer without a group sees it.

    Opening and reading raise KafkaError when Kafka does not answer.
    """

    def __init__(self, settings: Settings, topic: str, *, records_max: int) -> None:
        """`topic` is without its prefix; `records_max` limits how many are returned at once."""
        self._topic = settings.topic(topic)
        self._records_max = records_max
        self._consumer = new_consumer(
            settings,
            self._topic,
            auto_offset_reset="earliest",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
            request_timeout_ms=KAFKA_ANSWER_SECONDS * 1000,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_consumer(self._consumer)

    async def records(self) -> AsyncIterator[list[ConsumerRecord]]:
        """Yield all records that exist now, in order per partition, a few at a time.

        Records that arrive meanwhile are not read, so that it ends.
        """
        ends = await self._ends()
        while unread := [tp for tp in ends if await self._position(tp) < ends[tp]]:
            found = [record for record in await self._poll(*unread) if _before_end(record, ends)]
            if found:
                yield found

    async def at(self, partition: int, offset: int) -> ConsumerRecord | None:
        """Returns the record at a partition and offset, or None if there is none."""
        tp = TopicPartition(self._topic, partition)
        end = (await self._ends()).get(tp, 0)
        if offset >= end:
            return None
        self._consumer.seek(tp, offset)
        while await self._position(tp) < end:
            # Kafka answers with a later record when it no longer has this offset, or when the
            # offset is that of a transaction's control record.
            if found := await self._poll(tp):
                return found[0] if found[0].offset == offset else None
        return None

    async def _ends(self) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(
            self._consumer.assignment()
        )
        return ends

    async def _position(self, tp: TopicPartition) -> int:
        try:
            async with asyncio.timeout(KAFKA_ANSWER_SECONDS):
                position: int = await self._consumer.position(tp)
                return position
        except TimeoutError as error:
            raise KafkaTimeoutError(f"no position of {tp.topic}[{tp.partition}]") from error

    async def _poll(self, *tps: TopicPartition) -> list[Any]:
        polled = await self._consumer.getmany(*tps, timeout_ms=200, max_records=self._records_max)
        return [record for records in polled.values() for record in records]


def _before_end(record: ConsumerRecord, ends: dict[TopicPartition, int]) -> bool:
    end: int = ends[TopicPartition(record.topic, record.partition)]
    return bool(record.offset < end)
