"""Faust's Kafka transport, carrying whole polls: one Faust event is one partition's poll.

Faust's pipeline costs the same for an event whatever it holds, so an event that holds a
thousand records makes the pipeline's cost disappear. What is overridden, and why:

- `getmany` delivers one message per partition and poll, whose value is a `Poll`;
- the schema passes that value through undecoded, so that a bad record is ours to set aside;
- `_new_offset` and `_add_gap`: Faust's bookkeeping commits past records that are not processed
  when offsets have gaps, and stalls; ours knows that acks come in order;
- `seek_to_committed`: positions come from Postgres, where they are exact. What is committed to
  the group serves lag tools alone, so that failing to commit it is no reason to crash;
- the consumer itself, since Faust fixes its isolation level.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from time import thread_time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast

import aiokafka
import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from workers.kafka.adaptive_fetch import PatientConsumer, fetch_arguments
from workers.kafka.clients import client_arguments
from workers.process import metrics

if TYPE_CHECKING:
    from workers.worker.app import InboxApp

REQUEST_MILLISECONDS = 40_000
ENDS_SECONDS = 10


class KafkaRecord(Protocol):
    """A record as aiokafka, which has no types, gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Poll(NamedTuple):
    """The records that one poll returned of one partition."""

    tp: TP
    start: int
    """Where the last poll of this partition ended, or the position that was sought."""
    end: int
    """The position after the last record, past any gap that follows it."""
    records: "list[KafkaRecord]"

    @property
    def size(self) -> int:
        """Its records, those of more than a KiB counted as one for each: what a poll weighs."""
        return max(len(self.records), sum(len(one.value or b"") for one in self.records) // 1024)


class PollSchema(faust.Schema[Any, Any]):
    """Passes polls through as they are."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return message.value


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs the aiokafka consumer in a thread of its own, so that heartbeats never wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ends: dict[TP, int] = {}
        self._computed = 0.0
        """Seconds that this thread had computed by the last poll, waiting left out."""

    @property
    def _inbox(self) -> "InboxApp":
        return cast(Consumer, self.consumer).app

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = RoundRobinPartitionAssignor
        return PatientConsumer(
            **client_arguments(self._inbox.settings),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            **fetch_arguments(len(self._inbox.ingested_topics), self._inbox.settings.partitions),
            request_timeout_ms=REQUEST_MILLISECONDS,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,
    ) -> Any:
        # All that is buffered of a partition, which is limited in bytes; batches are cut later.
        fetched = await super()._fetch_records(consumer, active_partitions, timeout, None)
        # No await from here on: a fetched position is read before anything can move it.
        polls = {}
        for tp, records in fetched.items():
            end = self._state(tp).position
            polls[tp] = Poll(tp, self._ends.get(tp, records[0].offset), end, records)
            self._ends[tp] = end
        if polls:
            before, self._computed = self._computed, thread_time()
            metrics.FETCH_SECONDS.observe(self._computed - before)
        return polls

    def _state(self, tp: TP) -> Any:
        subscription = self._ensure_consumer()._fetcher._subscriptions.subscription
        return subscription.assignment.state_value(tp)

    async def seek_to(self, positions: Mapping[TP, int], idle: set[TP]) -> None:
        """Read on from these positions, and nothing of the idle partitions."""
        await self.call_thread(self._seek_to, positions, idle)

    async def _seek_to(self, positions: Mapping[TP, int], idle: set[TP]) -> None:
        consumer = self._ensure_consumer()
        consumer.pause(*map(driver.ensure_aiokafka_TP, idle))
        self._ends = {tp: end for tp, end in self._ends.items() if tp in self.assignment()}
        for tp, position in positions.items():
            consumer.seek(driver.ensure_aiokafka_TP(tp), position)
            self._ends[tp] = position

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """See Consumer.ends."""
        known = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        ends = await asyncio.wait_for(self._ensure_consumer().end_offsets(known), ENDS_SECONDS)
        return {TP(*tp): end for tp, end in ends.items()}

    async def lags(self, applied: Mapping[TP, int]) -> dict[TP, int]:
        """See Consumer.lags."""
        ingested = self._inbox.ingested_topics
        ends = await self.ends(tp for tp in self.assignment() if tp.topic in ingested)
        return {tp: max(0, end - self._reached(tp, applied)) for tp, end in ends.items()}

    def _reached(self, tp: TP, applied: Mapping[TP, int]) -> int:
        """Markers of transactions are passed over without a poll, so that positions count too."""
        delivered = self._ends.get(tp, 0)
        done = applied.get(tp, delivered)
        position = self._state(tp).position
        return done if done < delivered or position is None else position

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assigned = self.assignment()
        known = {
            driver.ensure_aiokafka_TP(tp): offset
            for tp, offset in offsets.items()
            if tp in assigned
        }
        if not known:
            return False
        try:
            await self._ensure_consumer().commit(known)
        except (KafkaError, IllegalStateError) as error:
            self.log.info("Offsets for lag tools not committed: %r", error)
            return False
        return True


class Consumer(driver.Consumer):
    """Delivers polls, and starts each partition where Postgres says."""

    app: "InboxApp"
    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group, unless there is nothing to read: the role `web` alone reads nothing."""
        if names := set(topics):
            await super().subscribe(names)

    # Faust declares a coroutine that returns an iterator, and implements a generator.
    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109  # Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """One message per partition of the next poll."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        polls = cast(Mapping[TP, Poll], fetched)
        for tp, poll in polls.items():
            # What is passed over here is read again: the next poll's start gives the gap away.
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, self._to_message(tp, poll)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        poll = cast(Poll, record)
        last = poll.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            poll.end - 1,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            cast(Any, poll),
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_full(self, tp: TP) -> None:
        """Leave the partition as it is: a full buffer makes the fetcher wait for a place.

        Faust would stop fetching it; with all partitions stopped it sleeps for a second.
        """

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return newest + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps need no bookkeeping: polls know where they end."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Start every partition where its records are not applied yet."""
        assigned = self.assignment()
        idle = {tp for tp in assigned if tp.topic not in self.app.ingested_topics}
        positions = await self.app.load_positions(assigned - idle)
        await self._thread.seek_to(positions, idle)
        await self.app.check_positions(positions)
        return positions

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """The last stable offsets. Raises KafkaError or TimeoutError when Kafka is away."""
        ends: dict[TP, int] = await self._thread.call_thread(self._thread.ends, tps)
        return ends

    async def rewind(self, tp: TP, position: int) -> None:
        """Read a partition again from a position, since records were passed over."""
        self._read_offset[tp] = position
        await self._thread.seek_to({tp: position}, set())

    async def lags(self, applied: Mapping[TP, int]) -> dict[TP, int]:
        """How many records of each ingested partition are not applied, to the last stable offset.

        Asks the broker. Raises KafkaError or TimeoutError when it does not answer.
        """
        lags: dict[TP, int] = await self._thread.call_thread(self._thread.lags, applied)
        return lags


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer: ClassVar[type[Consumer]] = Consumer
