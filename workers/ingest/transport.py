"""Faust's Kafka transport, carrying whole polls: one Faust event is one partition's poll.

Faust's pipeline costs the same for an event whatever it holds, so an event that holds a
thousand records makes the pipeline's cost disappear. What is overridden, and why:

- `getmany` delivers one message per partition and poll, whose value is a `Poll`; the schema
  (poll.py) passes it through undecoded, so that we dead-letter bad records;
- `_new_offset` and `_add_gap`: where offsets have gaps, Faust's bookkeeping commits past records
  that are not processed, and stalls; ours relies on acks that come in order;
- `verify_all_partitions_active`: to Faust, a paused partition is stuck; see the watchdog, and Lag;
- `seek_to_committed`: positions come from Postgres, where they are exact. The offsets committed
  to the consumer group serve lag tools alone, so a failed commit of them is no reason to crash;
- the consumer itself, since Faust fixes its isolation level.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from time import thread_time
from typing import Any, ClassVar, cast

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from workers.ingest.poll import Poll
from workers.ingest.positions import Positions
from workers.kafka.adaptive_fetch import AdaptiveFetchConsumer, fetch_arguments
from workers.kafka.clients import client_arguments
from workers.process import metrics
from workers.process.crash import end_process_on_error
from workers.settings import Settings

CONSUMER_REQUEST_MILLISECONDS = 40_000
ENDS_SECONDS = 10
METADATA_MILLISECONDS = 10_000
"""How soon the consumer notices new partitions. For their records, aiokafka's 300 s are long."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs the aiokafka consumer in a thread of its own, so that heartbeats never wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ends: dict[TP, int] = {}
        self._computed = 0.0
        """CPU seconds that this thread had used by the last poll."""

    @property
    def _transport(self) -> "Transport":
        return cast(Consumer, self.consumer).transport

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        settings = self._transport.settings
        self._assignor = RoundRobinPartitionAssignor
        return AdaptiveFetchConsumer(
            **client_arguments(settings),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            metadata_max_age_ms=METADATA_MILLISECONDS,
            # A position that the log does not have is an error: see _pass_deleted.
            auto_offset_reset="none",
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            **fetch_arguments(len(self._transport.positions.topics), settings.partitions),
            request_timeout_ms=CONSUMER_REQUEST_MILLISECONDS,
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
        # Takes all that is buffered of a partition (limited in bytes). Batches are cut later.
        polls = await self._fetch_polls(consumer, active_partitions, timeout, None)
        if polls and not self.consumer.flow_active:
            # A rebalance is not over: nobody takes these, and no later poll may ever show the gap.
            await self._seek_to({tp: poll.start for tp, poll in polls.items()}, set())
            return {}
        return polls

    async def _fetch_polls(self, *request: Any) -> dict[TP, Poll]:
        try:
            fetched = await super()._fetch_records(*request)
        except NoOffsetForPartitionError:
            return {}  # aiokafka asked the group for a position before we sought ours
        except OffsetOutOfRangeError as error:
            [(partition, position)] = error.args[0].items()
            return await end_process_on_error(self._pass_deleted(TP(*partition), position))
        # No await from here on, so that nothing moves a fetched position before it is read.
        polls, now = {}, datetime.now(UTC)
        for tp, records in fetched.items():
            end = self._state(tp).position
            polls[tp] = Poll(tp, self._ends.get(tp, records[0].offset), end, records, now)
            self._ends[tp] = end
        if polls:
            before, self._computed = self._computed, thread_time()
            metrics.FETCH_SECONDS.observe(self._computed - before)
        return polls

    async def _pass_deleted(self, tp: TP, position: int) -> dict[TP, Poll]:
        """Seek the beginning of a log that has no record at the position, nor any before.

        Returns a poll without records for what was deleted; nothing if Kafka does not answer: the
        next fetch then finds the same. Raises ForeignLog for a position beyond the end.
        """
        consumer = self._ensure_consumer()
        try:
            known = driver.ensure_aiokafka_TP(tp)
            beginnings = consumer.beginning_offsets([known])
            beginning = (await asyncio.wait_for(beginnings, ENDS_SECONDS))[known]
        except (KafkaError, TimeoutError):
            return {}
        if self._position(tp) != position:
            return {}  # sought elsewhere meanwhile, or lost to another worker
        if beginning <= position:
            await self._transport.positions.check_against({tp: position}, self.ends)
            return {}
        consumer.seek(known, beginning)
        start, self._ends[tp] = self._ends.get(tp, position), beginning
        return {tp: Poll(tp, start, beginning, [], datetime.now(UTC), lost=True)}

    def _position(self, tp: TP) -> int | None:
        """Where the next fetch starts. None: not known now, or not a partition of this worker."""
        state = self._state(tp)
        return state.position if state is not None and state.has_valid_position else None

    def _state(self, tp: TP) -> Any:
        subscription = self._ensure_consumer()._fetcher._subscriptions.subscription
        return subscription.assignment.state_value(tp)

    async def seek_to(self, positions: Mapping[TP, int], idle: set[TP]) -> None:
        """Seek these positions, and pause the idle partitions, which are never fetched."""
        await self.call_thread(self._seek_to, positions, idle)

    async def _seek_to(self, positions: Mapping[TP, int], idle: set[TP]) -> None:
        consumer = self._ensure_consumer()
        consumer.pause(*map(driver.ensure_aiokafka_TP, idle))
        self._ends = {tp: end for tp, end in self._ends.items() if tp in self.assignment()}
        for tp, position in {**dict.fromkeys(idle, 0), **positions}.items():
            # One that was lost meanwhile is read by its new owner.
            if tp in self.assignment():
                consumer.seek(driver.ensure_aiokafka_TP(tp), position)
                self._ends[tp] = position

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """See Consumer.ends."""
        known = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        ends = await asyncio.wait_for(self._ensure_consumer().end_offsets(known), ENDS_SECONDS)
        return {TP(*tp): end for tp, end in ends.items()}

    async def lags(self, applied: Mapping[TP, int]) -> dict[TP, int]:
        """See Consumer.lags."""
        ingested = self._transport.positions.topics
        ends = await self.ends(tp for tp in self.assignment() if tp.topic in ingested)
        return {tp: max(0, end - self._reached(tp, applied)) for tp, end in ends.items()}

    def _reached(self, tp: TP, applied: Mapping[TP, int]) -> int:
        """The position up to which a partition is applied.

        The fetcher passes over the markers of transactions without a poll. So once all that was
        delivered is applied, the fetcher's position counts.
        """
        delivered = self._ends.get(tp, 0)
        done = applied.get(tp, delivered)
        position = self._position(tp)
        return done if done < delivered or position is None else position

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assigned = offsets.keys() & self.assignment()
        known = {driver.ensure_aiokafka_TP(tp): offsets[tp] for tp in assigned}
        try:
            if known:
                await self._ensure_consumer().commit(known)
        except (KafkaError, IllegalStateError) as error:
            self.log.info("Offsets for lag tools not committed: %r", error)
            return False
        return bool(known)


class Consumer(driver.Consumer):
    """Delivers polls, and starts each partition where Postgres says."""

    transport: "Transport"
    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the consumer group, unless there is nothing to read, as for roles web and send."""
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
        for tp, poll in cast(Mapping[TP, Poll], fetched).items():
            # What is dropped here is read again: when the rebalance is over, from the position.
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, self._to_message(tp, poll)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        poll = cast(Poll, record)
        last = poll.records[-1] if poll.records else None
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            poll.end - 1,
            last.timestamp / 1000 if last else 0,
            last.timestamp_type if last else 0,
            None,
            None,
            cast(Any, poll),
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the fetcher waits for room. Faust would stop it, and sleep for a second."""

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

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: Faust would log an error every few seconds, about work that goes well."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the position of every partition assigned. Ends the process on a foreign log."""
        assigned = self.assignment()
        positions = self.transport.positions
        idle = {tp for tp in assigned if tp.topic not in positions.topics}
        found = await positions.load(assigned - idle)
        await self._thread.seek_to(found, idle)
        await end_process_on_error(positions.check_against(found, self.ends))
        return found

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the last stable offsets. Raises KafkaError or TimeoutError if Kafka is down."""
        return cast(dict[TP, int], await self._thread.call_thread(self._thread.ends, tps))

    async def rewind(self, tp: TP, position: int) -> None:
        """Read a partition again from a position, because records were passed over."""
        self._read_offset[tp] = position
        await self._thread.seek_to({tp: position}, set())

    async def lags(self, applied: Mapping[TP, int]) -> dict[TP, int]:
        """Return how many offsets of each ingested partition are not applied.

        Counted to the last stable offset, which the broker reports. Raises KafkaError or
        TimeoutError when it does not answer.
        """
        return cast(dict[TP, int], await self._thread.call_thread(self._thread.lags, applied))


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer, and what that needs."""

    Consumer: ClassVar[type[Consumer]] = Consumer

    def __init__(self, url: Any, app: Any, positions: Positions, settings: Settings) -> None:
        super().__init__(url, app)
        self.positions = positions
        self.settings = settings
