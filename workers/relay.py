"""The transactional relay: publishes the outbox's shards, each record exactly once.

For a shard: `InitProducerId` (which fences the old owner), then the last progress marker read
with `read_committed`, then, again and again: the rows after the marker, in one Kafka transaction
with the marker of the last. So whoever dies when, a `read_committed` consumer sees each record
once, in order. Rows are deleted after the transaction; what a crash leaves is below the marker.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBase

from db.connect import Pool
from db.errors import is_transient
from db.outbox import (
    OutboxRecord,
    OutboxRow,
    delete_outbox,
    load_outbox,
    outbox_numbers,
)
from schemas.cloudevents import CONTENT_TYPE_HEADER
from workers import metrics
from workers.errors import StrangeLog
from workers.settings import Settings, required

log = logging.getLogger(__name__)

ROWS_MAX = 8
"""Rows in one transaction: about 8 MiB, since a row ends at about one."""

HANDED_ROWS_MAX = 2 * ROWS_MAX
"""Rows of a shard that wait in memory; when the relay falls behind, it reads the table."""

BATCH_BYTES_MAX = 512 * 1024
"""Bytes of one Kafka record batch; a larger record gets one of its own."""

TRANSACTION_MILLISECONDS = 10_000
"""A crash freezes readers for at most so long."""

STEP_SECONDS = 15.0
"""Longest wait for one step of a transaction; then its outcome is unknown, and the producer new."""

ABORT_SECONDS = 2.0
STOP_SECONDS = 3.0

POLL_SECONDS = 0.05
"""How often to look for what other workers committed; this worker's own commits wake it."""

IDLE_SECONDS = 1.0
"""How often an idle shard looks for itself, whatever it was told."""

CODEC_ZSTD = DefaultRecordBase.CODEC_ZSTD
EVENT_HEADERS = [CONTENT_TYPE_HEADER]

MARKER_RECORDS = 64
"""How far back to look for a marker first; then four times as far, and so on."""


class Progress(msgspec.Struct, frozen=True):
    """The marker: how far a shard is published."""

    shard: int
    number: int


_MARKER = msgspec.json.Decoder(Progress)
_encode = msgspec.json.Encoder().encode


class Relay:
    """Publishes the shards that the consumer group gives this worker."""

    _pool: Pool

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._shards: dict[int, Shard] = {}
        self._ended: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    def start(self, pool: Pool) -> None:
        """Use this pool from now on."""
        self._pool = pool

    @property
    def running(self) -> bool:
        """Whether every shard that was given is being published."""
        return all(shard.published is not None for shard in self._shards.values())

    async def assign(self, shards: Iterable[int]) -> None:
        """Publish these shards from now on, and no others."""
        wanted = set(shards)
        for lost in self._tasks.keys() - wanted:
            await self._stop(lost)
        for number in wanted - self._tasks.keys():
            shard = Shard(number, self._settings, self._pool)
            self._shards[number] = shard
            self._tasks[number] = asyncio.create_task(shard.run(), name=f"relay-{number}")
            self._tasks[number].add_done_callback(self._ended.put_nowait)
        metrics.SHARDS.set(len(self._tasks))

    async def wait_failed(self) -> None:
        """Wait, for ever unless a shard cannot go on; then its error is raised."""
        while True:
            task = await self._ended.get()
            if not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Stop publishing; the next owner begins the transactions in flight again."""
        await asyncio.gather(*(self._stop(shard) for shard in list(self._tasks)))

    async def _stop(self, number: int) -> None:
        task = self._tasks.pop(number)
        self._shards.pop(number)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def hand_over(self, rows: Iterable[OutboxRow]) -> None:
        """Rows that this worker committed: its own shards need not read them from the table."""
        for row in rows:
            if shard := self._shards.get(row.shard):
                shard.hand_over(row)

    async def watch(self) -> None:
        """Look, for ever, for what other workers committed."""
        failures = 0
        while True:
            await asyncio.sleep(POLL_SECONDS * 2 ** min(failures, 6))
            try:
                await self._look()
                failures = 0
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1

    async def _look(self) -> None:
        if not self._shards:
            return
        async with self._pool.acquire() as connection:
            numbers = await outbox_numbers(connection, self._shards)
        for number, newest in numbers.items():
            if (shard := self._shards.get(number)) and newest > (shard.published or 0):
                shard.work.set()


class Shard:
    """One shard of the outbox, published in order by its one owner."""

    def __init__(self, number: int, settings: Settings, pool: Pool) -> None:
        self._number = number
        self._settings = settings
        self._pool = pool
        self._marker = TopicPartition(settings.topic("relay"), number)
        self.work = asyncio.Event()
        """Set when there may be something to publish."""
        self._handed: dict[int, OutboxRow] = {}
        self.published: int | None = None
        """The number of the newest row that is published; None until the shard is taken over."""

    def hand_over(self, row: OutboxRow) -> None:
        """A committed row. Kept when there is room; the table has it in any case."""
        if len(self._handed) < HANDED_ROWS_MAX:
            self._handed[row.number] = row
        self.work.set()

    async def run(self) -> None:
        """Publish for ever. After an error everything is begun anew: producer, marker, rows.

        Raises StrangeLog when the marker and the outbox are not of one history.
        """
        failures = 0
        while True:
            try:
                await self._own()
            except (KafkaError, TimeoutError, OSError) as error:
                problem: Exception = error
            except Exception as error:
                if not is_transient(error):
                    raise
                problem = error
            failures = 0 if self.published is not None else failures + 1
            self.published = None
            metrics.RELAY_RESTARTS.labels(type(problem).__name__).inc()
            # Fenced: the new owner needs a moment, and if it was no owner we take over again.
            seconds = min(5.0, 0.2 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311  # spreads
            log.warning(
                "shard %d: %s, again in %.1f s", self._number, type(problem).__name__, seconds
            )
            await asyncio.sleep(seconds)

    async def _own(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=list(required(self._settings.kafka, "INBOX_KAFKA")),
            client_id=f"inbox-relay-{self._number}",
            transactional_id=f"{self._settings.topic_prefix}relay-{self._number}",
            transaction_timeout_ms=TRANSACTION_MILLISECONDS,
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=8 * 1024 * 1024,
            request_timeout_ms=int(STEP_SECONDS * 1000),
        )
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await producer.start()
            published = await self._take_over()
            while True:
                published = await self._publish(producer, published)
        finally:
            await _stop(producer)

    async def _take_over(self) -> int:
        """How far the shard is published, now that the old owner is fenced."""
        marker = await self._read_marker()
        async with self._pool.acquire() as connection:
            newest = (await outbox_numbers(connection, [self._number])).get(self._number, 0)
            if marker is None:
                # Nothing was ever published to this Kafka, so all that waits is to be.
                waiting = await load_outbox(connection, self._number, 0, rows_max=1)
                marker = waiting[0].number - 1 if waiting else newest
            published = marker
            if newest < published:
                raise StrangeLog(
                    f"shard {self._number} is published up to {published}, but the outbox only "
                    f"counts to {newest}: this Kafka and this Postgres are not of one history"
                )
            await delete_outbox(connection, self._number, published)
        self.published = published
        self.work.set()
        return published

    async def _publish(self, producer: AIOKafkaProducer, published: int) -> int:
        """Publish the rows after a number, or wait until there may be some."""
        began = perf_counter()
        # Cleared before the query, so that a wake-up while it runs is not lost.
        self.work.clear()
        rows = self._take_handed(published)
        if not rows:
            async with self._pool.acquire() as connection:
                rows = await load_outbox(connection, self._number, published, ROWS_MAX)
        if not rows:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.work.wait(), IDLE_SECONDS)
            return published
        if rows[0].number != published + 1:
            raise StrangeLog(
                f"shard {self._number}: row {published + 1} is missing from the outbox, which "
                f"goes on with {rows[0].number}: is this the Kafka that it was published to?"
            )
        metrics.RELAY_SECONDS.labels("load").observe(perf_counter() - began)
        await self._transact(producer, rows)
        self.published = rows[-1].number
        async with self._pool.acquire() as connection:
            await delete_outbox(connection, self._number, self.published)
        return self.published

    def _take_handed(self, published: int) -> list[OutboxRow]:
        """The rows after a number that were handed over, as far as none is missing."""
        rows: list[OutboxRow] = []
        while len(rows) < ROWS_MAX and published + len(rows) + 1 in self._handed:
            rows.append(self._handed.pop(published + len(rows) + 1))
        if not rows and self._handed:
            # What is missing here is in the table; what is old was published from there.
            self._handed.clear()
        return rows

    async def _transact(self, producer: AIOKafkaProducer, rows: list[OutboxRow]) -> None:
        began = perf_counter()
        records = [record for row in rows for record in row.records]
        records.append(self._progress(rows[-1].number))
        await producer.begin_transaction()
        try:
            async with asyncio.timeout(STEP_SECONDS):
                # The commit would ignore a send that failed, so every one is awaited.
                await asyncio.gather(*await _send(producer, records))
            sent = perf_counter()
            async with asyncio.timeout(STEP_SECONDS):
                await producer.commit_transaction()
        except BaseException:
            await _abort(producer)
            raise
        metrics.RELAY_SECONDS.labels("send").observe(sent - began)
        metrics.RELAY_SECONDS.labels("commit").observe(perf_counter() - sent)
        metrics.PUBLISHED.inc(len(records) - 1)

    def _progress(self, number: int) -> OutboxRecord:
        value = _encode(Progress(self._number, number))
        key = str(self._number).encode()
        return OutboxRecord(self._marker.topic, self._number, key, value, ())

    async def _read_marker(self) -> int | None:
        """The number that the last committed marker holds; None where there is no marker."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=list(required(self._settings.kafka, "INBOX_KAFKA")),
            isolation_level="read_committed",
            enable_auto_commit=False,
            request_timeout_ms=int(STEP_SECONDS * 1000),
        )
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await consumer.start()
                consumer.assign([self._marker])
                return await self._find_marker(consumer)
        finally:
            await consumer.stop()

    async def _find_marker(self, consumer: AIOKafkaConsumer) -> int | None:
        marker = self._marker
        first = (await consumer.beginning_offsets([marker]))[marker]
        end = (await consumer.end_offsets([marker]))[marker]
        back = MARKER_RECORDS
        while end > first:
            consumer.seek(marker, max(first, end - back))
            found: int | None = None
            while await consumer.position(marker) < end:
                for record in (await consumer.getmany(marker, timeout_ms=200)).get(marker, ()):
                    found = _MARKER.decode(record.value).number
            if found is not None:
                return found
            if end - back <= first:
                break
            back *= 4
        return None


class LargeBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch of one dead letter of a size that came compressed, and has to go so too."""

    def __init__(self) -> None:
        super().__init__(BATCH_BYTES_MAX, CODEC_ZSTD, is_transactional=True)


async def _send(
    producer: AIOKafkaProducer, records: list[OutboxRecord]
) -> list[asyncio.Future[object]]:
    """Hand records to the producer in order, in batches per partition."""
    futures = []
    timestamp = int(time.time() * 1000)
    batches: dict[tuple[str, int], Any] = {}
    for topic, partition, key, value, given in records:
        headers = EVENT_HEADERS if given is None else list(given)
        large = len(value or b"") > BATCH_BYTES_MAX
        batch = batches.get((topic, partition))
        if (
            batch is None
            or large
            or not batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
        ):
            if batch is not None:
                futures.append(await producer.send_batch(batch, topic, partition=partition))
            batch = LargeBatch() if large else producer.create_batch()
            batches[topic, partition] = batch
            batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
    for (topic, partition), batch in batches.items():
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    return futures


async def _abort(producer: AIOKafkaProducer) -> None:
    """Abort what is open, so that stopping does not wait for it; not for long: the next owner's
    `InitProducerId` aborts it in any case. A commit of unknown outcome cannot be aborted, which
    aiokafka says with an AssertionError."""
    with suppress(KafkaError, TimeoutError, AssertionError):
        async with asyncio.timeout(ABORT_SECONDS):
            await producer.abort_transaction()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop, without hanging on a broker that is gone."""
    with suppress(KafkaError, TimeoutError, OSError):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
