"""Follows topics from now on, for all parts of the API of one process, with one consumer.

It joins no group and commits nothing: each process follows all partitions by itself. It goes on
where it was after an outage of Kafka. Where it cannot, it goes to the present ends, and tells those
who listen that they may have missed something. A part may have some partitions begin earlier.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from db.errors import is_transient
from db.positions import Partition
from workers.kafka.adaptive_fetch import AdaptiveFetchConsumer, fetch_arguments
from workers.kafka.clients import client_arguments, stop_consumer
from workers.kafka.records import KafkaRecord
from workers.kafka.topic_admin import count_partitions
from workers.process import metrics
from workers.process.retries import end_if_cancelled, pause
from workers.settings import Settings

log = logging.getLogger(__name__)

POLL_MILLISECONDS = 1000
"""How long a poll waits for records."""

CHECK_SECONDS = 5.0
"""How often the lag is measured, and the partitions are counted."""

METADATA_MILLISECONDS = 10_000
"""How often Kafka is asked for the partitions. aiokafka's five minutes are too long to miss those
that are new."""

POLL_RECORDS_MAX = 1000
"""Taking so many takes some milliseconds, in which the process answers nobody."""

CATCH_UP_SECONDS, CATCH_UP_PAUSE_SECONDS = 2.0, 0.02
"""How long it may take to read what Kafka has, and how often that is looked at."""

PARTITION_BYTES_MAX = 256 * 1024
"""Of one partition in one poll; a larger batch comes alone. With `FETCH_BYTES_MAX` it limits what
is in memory."""


class Listener(Protocol):
    """A part of the API that is told what topics say. Neither method may wait or fail."""

    def take(self, topic: str, records: Sequence[KafkaRecord]) -> None:
        """Take records of one partition of a topic, in order. `topic` is without the prefix."""

    def placed(self) -> None:
        """Note that the follower has a place, for the first time or again.

        What was published before may have been missed, since the start or since the last record.
        """


class _PartitionsChanged(Exception):
    """A topic has other partitions than those that are followed."""


class TopicFollower:
    """Reads the records of topics, and hands them to those who listen."""

    def __init__(
        self,
        settings: Settings,
        listeners: Mapping[str, Listener],
        begin: Callable[[], Awaitable[Mapping[Partition, int]]] | None = None,
    ) -> None:
        """`listeners` has the one of each topic, by its name without the prefix.

        `begin` returns the offsets at which some partitions begin; the others begin at their
        present ends.
        """
        self._begin = begin
        self._consumer: AdaptiveFetchConsumer | None = None
        """The one that follows."""
        self._settings = settings
        self._names = {settings.topic(name): name for name in listeners}
        self._listeners = listeners
        self._positions: dict[TopicPartition, int] = {}
        """The next offset of each partition; empty without a place."""

    @property
    def has_place(self) -> bool:
        """Whether every record that is published from now on will be read."""
        return bool(self._positions)

    async def run(self) -> None:
        """Follow for ever, whatever Kafka answers."""
        failures = 0
        while True:
            consumer = self._new_consumer()
            try:
                await consumer.start()
                await self._find_place(consumer)
                failures = 0
                self._consumer = consumer
                await self._follow(consumer)
            except (NoOffsetForPartitionError, OffsetOutOfRangeError, _PartitionsChanged) as error:
                log.warning("the API lost its place: %s", type(error).__name__)
                self._positions = {}
            except Exception as error:
                if not isinstance(error, KafkaError) and not is_transient(error):
                    raise
                failures += 1
                await pause("the API follows nothing", error, failures, _wait_only)
            finally:
                self._consumer = None
                await stop_consumer(consumer)
            end_if_cancelled()

    def _new_consumer(self) -> AdaptiveFetchConsumer:
        return AdaptiveFetchConsumer(
            **client_arguments(self._settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            metadata_max_age_ms=METADATA_MILLISECONDS,
            max_poll_records=POLL_RECORDS_MAX,
            **fetch_arguments(len(self._names), self._settings.partitions)
            | {"max_partition_fetch_bytes": PARTITION_BYTES_MAX},
        )

    async def _find_place(self, consumer: AdaptiveFetchConsumer) -> None:
        """Continue at the known positions, or begin. Raises KafkaError, and what `begin` does."""
        if self._positions:
            consumer.assign(list(self._positions))
            for partition, position in self._positions.items():
                consumer.seek(partition, position)
            return
        partitions = await self._partitions()
        consumer.assign(partitions)
        places = await consumer.end_offsets(partitions)
        places |= await self._earlier_places(consumer, places)
        for partition, place in places.items():
            consumer.seek(partition, place)
        self._positions = places
        log.info("the API follows %d partitions", len(places))
        for listener in dict.fromkeys(self._listeners.values()):
            listener.placed()

    async def _earlier_places(
        self, consumer: AdaptiveFetchConsumer, ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Returns where the partitions begin that do not begin at their ends: at a record that
        Kafka still has."""
        given = await self._begin() if self._begin else {}
        wanted = {part: given[tuple(part)] for part in ends if tuple(part) in given}
        kept = await consumer.beginning_offsets(list(wanted)) if wanted else {}
        return {part: min(max(place, kept[part]), ends[part]) for part, place in wanted.items()}

    async def has_taken_all(self, names: Collection[str]) -> bool:
        """Whether, within CATCH_UP_SECONDS, all records of some topics were taken that Kafka had
        when this was called. Names are without the prefix."""
        consumer = self._consumer
        if consumer is None:
            return False
        partitions = [part for part in self._positions if self._names[part.topic] in names]
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                # The position, since markers at the end of a partition are no records.
                for partition, end in (await consumer.end_offsets(partitions)).items():
                    while await consumer.position(partition) < end:  # noqa: ASYNC110  # no signal
                        await asyncio.sleep(CATCH_UP_PAUSE_SECONDS)
        except (KafkaError, ConsumerStoppedError, TimeoutError):
            return False
        return self._consumer is consumer

    async def _partitions(self) -> list[TopicPartition]:
        counts = await count_partitions(self._settings)
        if missing := sorted(self._names.keys() - counts.keys()):
            raise KafkaError(f"{', '.join(missing)}: no such topic")
        return [
            TopicPartition(name, number)
            for name in self._names
            for number in range(counts[name].actual)
        ]

    async def _follow(self, consumer: AdaptiveFetchConsumer) -> None:
        check_at = monotonic()
        while True:
            polled = await consumer.getmany(timeout_ms=POLL_MILLISECONDS)
            end_if_cancelled()
            for partition, records in polled.items():
                topic = self._names[partition.topic]
                self._listeners[topic].take(topic, records)
                self._positions[partition] = records[-1].offset + 1
            # A full buffer is handed out without a pause.
            await asyncio.sleep(0)
            if monotonic() >= check_at:
                check_at = monotonic() + CHECK_SECONDS
                await self._measure(consumer)
                self._check_partitions(consumer)

    async def _measure(self, consumer: AdaptiveFetchConsumer) -> None:
        """Set the lag: the committed records that are not taken yet, and markers among them."""
        lags = dict.fromkeys(self._names.values(), 0)
        for partition in self._positions:
            # None before the first fetch.
            stable = consumer.last_stable_offset(partition) or 0
            behind = stable - await consumer.position(partition)
            lags[self._names[partition.topic]] += max(0, behind)
        for topic, lag in lags.items():
            metrics.API_LAG_RECORDS.labels(topic).set(lag)

    def _check_partitions(self, consumer: AdaptiveFetchConsumer) -> None:
        """Raise _PartitionsChanged if a topic has got more partitions, or was created anew."""
        for name in self._names:
            known = consumer.partitions_for_topic(name)
            followed = sum(partition.topic == name for partition in self._positions)
            if known and len(known) != followed:
                raise _PartitionsChanged(name)


def _wait_only() -> None:
    """Waiting for Kafka is no sign of life of a worker that applies nothing."""
