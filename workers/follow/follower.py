"""Reads the topics that the system writes, as a `read_committed` consumer without a group."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple, Self

from aiokafka import ConsumerRecord, TopicPartition

from schemas.catalog import OUTBOUND
from schemas.cloudevents import Decoders
from schemas.dead_letters import DEAD_LETTERS_TOPIC
from schemas.errors import InvalidRecord
from schemas.fields import Emitted
from schemas.topics import DEAD_LETTER_BYTES_MAX
from workers.follow.lines import (
    RenderedRecord,
    render_dead_letter,
    render_event,
    render_unreadable,
)
from workers.kafka.clients import new_admin, new_consumer, stop_consumer
from workers.process.errors import CommandFailed
from workers.process.retries import end_if_cancelled
from workers.settings import Settings

FOLLOWED_TOPICS = (*OUTBOUND, DEAD_LETTERS_TOPIC)
"""The topics that can be followed. Events of one cause are best read in this order."""

POLL_MILLISECONDS = 200


class FollowedRecord(NamedTuple):
    """A record of a followed topic."""

    topic: str
    """Without the prefix."""
    key: str
    rendered: RenderedRecord
    data: Emitted | None
    """None for a dead letter, and for a record that is no event of this version."""


class Follower:
    """Reads all partitions of some topics, from their start or from now on."""

    def __init__(self, settings: Settings, topics: Collection[str], *, from_start: bool) -> None:
        self._names = {settings.topic(topic): topic for topic in FOLLOWED_TOPICS if topic in topics}
        self._ranks = {name: rank for rank, name in enumerate(self._names)}
        self._from_start = from_start
        self._decoders = {topic: Decoders(structs) for topic, structs in OUTBOUND.items()}
        self._settings = settings
        self._consumer = new_consumer(
            settings,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=DEAD_LETTER_BYTES_MAX,
        )

    async def __aenter__(self) -> Self:
        """Connect and note the positions to read from.

        Raises CommandFailed when a topic does not exist, and KafkaError.
        """
        await self._consumer.start()
        try:
            await self._seek()
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_consumer(self._consumer)

    async def _seek(self) -> None:
        partitions = await self._partitions()
        self._consumer.assign(partitions)
        if self._from_start:
            await self._consumer.seek_to_beginning(*partitions)
            return
        # Explicit positions: `latest` would be resolved at some later moment.
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)

    async def _partitions(self) -> list[TopicPartition]:
        # From an admin client: a consumer knows only the topics that it subscribes to.
        admin = new_admin(self._settings)
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

    async def poll(self) -> list[FollowedRecord]:
        """Returns the records that have arrived, by time; none if none arrives within a moment."""
        polled = await self._consumer.getmany(timeout_ms=POLL_MILLISECONDS)
        end_if_cancelled()
        records = [record for batch in polled.values() for record in batch]
        records.sort(key=lambda record: (record.timestamp, self._ranks[record.topic]))
        return [self._read(record) for record in records]

    async def read_to_end(self) -> list[FollowedRecord]:
        """Returns all records that are left before the present ends of the topics."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        found: list[FollowedRecord] = []
        while [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
            found += await self.poll()
        return found

    def _read(self, record: ConsumerRecord) -> FollowedRecord:
        topic = self._names[record.topic]
        key = (record.key or b"").decode(errors="replace")
        published_at = datetime.fromtimestamp(record.timestamp / 1000, UTC).astimezone()
        if topic == DEAD_LETTERS_TOPIC:
            # A name may occur several times: the `dl_` headers come last.
            headers = {
                name: (value or b"").decode(errors="replace") for name, value in record.headers
            }
            position = f"{record.partition}:{record.offset}"
            rendered = render_dead_letter(published_at, position, headers)
            return FollowedRecord(topic, key, rendered, None)
        try:
            event = self._decoders[topic].decode(
                record.value, record.headers, record.timestamp, published_at
            )
        except InvalidRecord as error:
            position = f"{record.topic}/{record.partition}/{record.offset}"
            rendered = render_unreadable(published_at, key, error.code, position)
            return FollowedRecord(topic, key, rendered, None)
        rendered = render_event(event.time.astimezone(), event.data)
        return FollowedRecord(topic, key, rendered, event.data)
