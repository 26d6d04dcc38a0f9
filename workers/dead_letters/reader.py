"""Reads dead letters: all that exist now, a few at a time, or one by partition and offset."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from aiokafka import ConsumerRecord

from db.redrives import DeadLetterKey
from schemas.dead_letters import DEAD_LETTERS_TOPIC, Header, Origin, split_headers
from workers.kafka.topic_log import TopicLog
from workers.settings import Settings

RECORDS_MAX = 200
"""The most dead letters that are returned at once."""


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
        self._log = TopicLog(settings, DEAD_LETTERS_TOPIC, records_max=RECORDS_MAX)

    async def __aenter__(self) -> Self:
        await self._log.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._log.__aexit__()

    async def records(self) -> AsyncIterator[list[DeadLetterRecord]]:
        """Yield all dead letters that exist now, in order per partition, a few at a time.

        Dead letters that arrive meanwhile are not read. Otherwise a redrive would never end when
        its records are dead-lettered again.
        """
        async for records in self._log.records():
            yield [_read(record) for record in records]

    async def at(self, place: DeadLetterKey) -> DeadLetterRecord | None:
        """Returns the dead letter at a partition and offset, or None if there is none."""
        record = await self._log.at(*place)
        return None if record is None else _read(record)


def _read(record: ConsumerRecord) -> DeadLetterRecord:
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
