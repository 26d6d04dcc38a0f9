"""Follows the topics that the system writes, as a `read_committed` consumer without a group."""

from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.catalog import OUTBOUND
from schemas.cloudevents import Decoders
from schemas.errors import InvalidRecord
from schemas.fields import Emitted
from schemas.topics import DEAD_LETTER_BYTES_MAX
from workers.follow.phrases import DEAD_LETTER_STYLE, Said, said, said_dead_letter
from workers.kafka.clients import client_arguments, new_consumer, stop_consumer
from workers.process.cancellation import end_if_cancelled
from workers.process.errors import CommandFailed
from workers.settings import Settings

DEAD_LETTERS = "dead-letters"

FOLLOWED = (*OUTBOUND, DEAD_LETTERS)
"""What can be followed, in the order in which one cause's events are best read."""

POLL_MILLISECONDS = 200


class Seen(NamedTuple):
    """A record that was read."""

    topic: str
    """Without the prefix."""
    key: str
    said: Said
    data: Emitted | None
    """None for a dead letter, or for what is no event of this version."""


class Follower:
    """Reads every partition of some topics, from their start or from now on."""

    def __init__(self, settings: Settings, topics: Collection[str], *, from_start: bool) -> None:
        self._names = {settings.topic(topic): topic for topic in FOLLOWED if topic in topics}
        self._ranks = {name: rank for rank, name in enumerate(self._names)}
        self._from_start = from_start
        self._decoders = {topic: Decoders(structs) for topic, structs in OUTBOUND.items()}
        self._arguments = client_arguments(settings)
        self._consumer = new_consumer(
            settings,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=DEAD_LETTER_BYTES_MAX,
        )

    async def __aenter__(self) -> Self:
        """Connect; what is published from now on is seen. Raises KafkaError, CommandFailed."""
        await self._consumer.start()
        try:
            await self._seek()
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

    async def _seek(self) -> None:
        partitions = await self._partitions()
        self._consumer.assign(partitions)
        if self._from_start:
            await self._consumer.seek_to_beginning(*partitions)
            return
        # Explicit positions: `latest` would be looked up at some later moment.
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)

    async def _partitions(self) -> list[TopicPartition]:
        # Of the admin client: a consumer only knows the partitions of what it subscribes to.
        admin = AIOKafkaAdminClient(**self._arguments)
        await admin.start()
        try:
            described = await admin.describe_topics(list(self._names))
        finally:
            await admin.close()
        if missing := [topic["topic"] for topic in described if not topic["partitions"]]:
            raise CommandFailed(f"no topic {', '.join(sorted(missing))}: run `inbox topics`")
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            for partition in topic["partitions"]
        ]

    async def next(self) -> list[Seen]:
        """What arrived meanwhile, by time; empty when nothing does within a moment."""
        polled = await self._consumer.getmany(timeout_ms=POLL_MILLISECONDS)
        end_if_cancelled()
        records = [record for batch in polled.values() for record in batch]
        records.sort(key=lambda record: (record.timestamp, self._ranks[record.topic]))
        return [self._seen(record) for record in records]

    async def rest(self) -> list[Seen]:
        """What is left up to the present ends of the topics."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        found: list[Seen] = []
        while [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
            found += await self.next()
        return found

    def _seen(self, record: ConsumerRecord) -> Seen:
        topic = self._names[record.topic]
        key = (record.key or b"").decode(errors="replace")
        when = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        if topic == DEAD_LETTERS:
            # A name may be there several times: the headers that say what was wrong come last.
            headers = {
                name: (value or b"").decode(errors="replace") for name, value in record.headers
            }
            place = f"{record.partition}:{record.offset}"
            return Seen(topic, key, said_dead_letter(when.astimezone(), place, headers), None)
        try:
            event = self._decoders[topic].decode(record.value, record.headers, record.timestamp)
        except InvalidRecord as error:
            phrase = f"unreadable: {error.code}, {record.topic}/{record.partition}/{record.offset}"
            return Seen(topic, key, Said(when.astimezone(), key, phrase, DEAD_LETTER_STYLE), None)
        return Seen(topic, key, said(event.time.astimezone(), event.data), event.data)
