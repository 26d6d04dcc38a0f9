"""Reads dead letters: all that exist now, a few at a time, or one by partition and offset."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from db.redrives import DeadLetterKey
from schemas.dead_letters import DEAD_LETTERS_TOPIC, Header, Origin, split_headers
from workers.kafka.clients import new_consumer, stop_consumer
from workers.settings import Settings

FETCH_BYTES_MAX = 8 * 1024 * 1024
"""Limits what memory holds, however many dead letters there are."""

RECORDS_MAX = 200
"""The most dead letters that are returned at once."""

KAFKA_ANSWER_SECONDS = 30
"""The longest wait for an answer of Kafka."""


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A record of the dead-letter topic."""

    partition: int
    offset: int
    timestamp_milliseconds: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    """All headers, as they were read."""
    own_headers: tuple[Header, ...]
    """The headers that the record had before it was dead-lettered."""
    origin: Origin | None
    """None for a record that no worker wrote."""

    @property
    def place(self) -> DeadLetterKey:
        """Its partition and offset."""
        return self.partition, self.offset

    @property
    def size(self) -> int:
        """How many bytes its value has."""
        return len(self.value or b"")


class DeadLetterReader:
    """The dead-letter topic as a `read_committed` consumer sees it.

    Opening and reading raise KafkaError when Kafka does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic(DEAD_LETTERS_TOPIC)
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

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await stop_consumer(self._consumer)

    async def records(self) -> AsyncIterator[list[DeadLetterRecord]]:
        """Yield all dead letters that exist now, in order per partition, a few at a time.

        Dead letters that arrive meanwhile are not read. Otherwise a redrive would never end when
        its records are dead-lettered again.
        """
        ends = await self._ends()
        while unread := [tp for tp in ends if await self._position(tp) < ends[tp]]:
            found = [record for record in await self._poll(*unread) if _before_end(record, ends)]
            if found:
                yield [_read(record) for record in found]

    async def at(self, place: DeadLetterKey) -> DeadLetterRecord | None:
        """Returns the dead letter at a partition and offset, or None if there is none."""
        partition, offset = place
        tp = TopicPartition(self._topic, partition)
        end = (await self._ends()).get(tp, 0)
        if offset >= end:
            return None
        self._consumer.seek(tp, offset)
        while await self._position(tp) < end:
            # Kafka answers with a later record when it no longer has this offset, or when the
            # offset is that of a transaction's control record.
            if found := await self._poll(tp):
                return _read(found[0]) if found[0].offset == offset else None
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
        polled = await self._consumer.getmany(*tps, timeout_ms=200, max_records=RECORDS_MAX)
        return [record for records in polled.values() for record in records]


def _before_end(record: Any, ends: dict[TopicPartition, int]) -> bool:
    end: int = ends[TopicPartition(record.topic, record.partition)]
    return bool(record.offset < end)


def _read(record: Any) -> DeadLetterRecord:
    headers = tuple(record.headers)
    origin: Origin | None
    try:
        own, origin = split_headers(headers)
    except ValueError:
        own, origin = headers, None
    return DeadLetterRecord(
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        headers,
        own,
        origin,
    )
