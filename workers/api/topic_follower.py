"""Follows topics from now on, for all parts of the API of one process, with one consumer.

It joins no group and commits nothing: each process follows all partitions by itself. It goes on
where it was after an outage of Kafka. Where it cannot, it goes to the present ends, and tells those
who listen that they may have missed something.
"""

import logging
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

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

PARTITION_BYTES_MAX = 256 * 1024
"""Of one partition in one poll; a larger batch comes alone. With `FETCH_BYTES_MAX` it limits what
is in memory."""


class Listener(Protocol):
    """A part of the API that is told what topics say. Neither method may wait or fail."""

    def take(self, topic: str, records: Sequence[KafkaRecord]) -> None:
        """Take records of one partition of a topic, in order. `topic` is without the prefix."""

    def placed(self) -> None:
        """Note that the follower has a place at the present ends, for the first time or again.

        What was published before may have been missed, since the start or since the last record.
        """


class _PartitionsChanged(Exception):
    """A topic has other partitions than those that are followed."""


class TopicFollower:
    """Reads the records of topics, and hands them to those who listen."""

    def __init__(self, settings: Settings, listeners: Mapping[str, Listener]) -> None:
        """`listeners` has the one of each topic, by its name without the prefix."""
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
                await self._follow(consumer)
            except (NoOffsetForPartitionError, OffsetOutOfRangeError, _PartitionsChanged) as error:
                log.warning("the API lost its place: %s", type(error).__name__)
                self._positions = {}
            except (KafkaError, OSError, TimeoutError) as error:
                failures += 1
                await pause("the API follows nothing", error, failures, _wait_only)
            finally:
                await stop_consumer(consumer)
            end_if_cancelled()

    def _new_consumer(self) -> AdaptiveFetchConsumer:
        return AdaptiveFetchConsumer(
            **client_arguments(self._settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            metadata_max_age_ms=METADATA_MILLISECONDS,
            **fetch_arguments(len(self._names), self._settings.partitions)
            | {"max_partition_fetch_bytes": PARTITION_BYTES_MAX},
        )

    async def _find_place(self, consumer: AdaptiveFetchConsumer) -> None:
        """Continue at the known positions, or begin at the present ends. Raises KafkaError."""
        if self._positions:
            consumer.assign(list(self._positions))
            for partition, position in self._positions.items():
                consumer.seek(partition, position)
            return
        partitions = await self._partitions()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            consumer.seek(partition, end)
        self._positions = ends
        log.info("the API follows %d partitions", len(ends))
        for listener in dict.fromkeys(self._listeners.values()):
            listener.placed()

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
