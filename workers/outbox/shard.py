"""One shard of the outbox, published by its one owner, each record exactly once.

`InitProducerId` first (which fences the old owner), then the last progress marker, read with
`read_committed`, then, again and again: the rows after the marker, in one Kafka transaction with
the marker of the last. So whoever dies when, a `read_committed` consumer sees each record once,
in order. Rows are deleted after the transaction; what a crash leaves is below the marker.
"""

import asyncio
import logging
from contextlib import suppress
from time import perf_counter
from typing import NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from db.connect import Pool
from db.errors import is_transient
from db.outbox import OutboxRow, delete_outbox, load_outbox, outbox_numbers
from workers.kafka.clients import stop_producer
from workers.outbox.kafka_transaction import STEP_SECONDS, transact, transactional_producer
from workers.outbox.progress_marker import Progress, marker_record, read_marker
from workers.process import metrics
from workers.process.cancellation import end_if_cancelled
from workers.process.errors import StrangeLog
from workers.process.retries import pause_seconds
from workers.settings import Settings

log = logging.getLogger(__name__)

BYTES_MAX = 4 * 1024 * 1024
"""Of the values in one transaction, but for its last row's."""

ROWS_MAX = 4
"""Rows read from the table at once, for the same: a row ends at about 1 MiB."""

HANDED_BYTES_MAX = BYTES_MAX
"""Of the rows of a shard that wait in memory; when the relay falls behind, it reads the table."""

IDLE_SECONDS = 1.0
"""How often an idle shard looks for itself, whatever it was told."""

DELETE_ROWS = 16
DELETE_SECONDS = 0.05
"""What is published is deleted when it is so many rows, or when nothing new came for so long: one
statement for several transactions."""

RESTART_SECONDS_FIRST = 0.2


class RowsGone(Exception):
    """The next row is missing: another owner published it, or the outbox has lost it."""


class Shard:
    """One shard of the outbox, published in order by its one owner."""

    def __init__(self, number: int, settings: Settings, pool: Pool) -> None:
        self._number = number
        self._settings = settings
        self._pool = pool
        self._work = asyncio.Event()
        """Set when there may be something to publish."""
        self._newest = 0
        """The number of the newest row that was heard of."""
        self._deleted = 0
        """The number of the newest row that is deleted."""
        self._handed: dict[int, tuple[OutboxRow, int]] = {}
        """Rows by number, each with its bytes."""
        self._handed_bytes = 0
        self.published: int | None = None
        """The number of the newest row that is published; None until the shard is taken over."""
        self._gone_after: int | None = None
        """The number after which rows were missing when last they were."""

    def hand_over(self, row: OutboxRow) -> None:
        """A committed row. Kept when there is room; the table has it in any case."""
        if self._handed_bytes < HANDED_BYTES_MAX:
            size = sum(len(record.value or b"") for record in row.records)
            self._handed[row.number] = (row, size)
            self._handed_bytes += size
        self.hear(row.number)

    def hear(self, newest: int) -> None:
        """The number of a row that is committed."""
        self._newest = max(self._newest, newest)
        if self.published is None or newest > self.published:
            self._work.set()

    async def run(self) -> None:
        """Publish for ever. After an error everything is begun anew: producer, marker, rows.

        Raises StrangeLog when the marker and the outbox are not of one history.
        """
        failures = 0
        while True:
            try:
                await self._own()
            except Exception as error:
                end_if_cancelled()
                if not (isinstance(error, KafkaError | RowsGone) or is_transient(error)):
                    raise
                failures = 0 if self.published is not None else failures + 1
                self.published = None
                name = type(error).__name__
            metrics.RELAY_RESTARTS.labels(name).inc()
            # Fenced: the new owner needs a moment, and if it was no owner we take over again.
            seconds = pause_seconds(failures + 1, RESTART_SECONDS_FIRST)
            log.warning("shard %d: %s, again in %.1f s", self._number, name, seconds)
            await asyncio.sleep(seconds)

    async def _own(self) -> NoReturn:
        producer = transactional_producer(self._settings, self._number)
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await producer.start()
            published = await self._take_over()
            while True:
                end_if_cancelled()
                published = await self._publish(producer, published)
        finally:
            await stop_producer(producer)

    async def _take_over(self) -> int:
        """How far the shard is published, now that the old owner is fenced."""
        marker = await read_marker(self._settings, self._number)
        async with self._pool.acquire() as connection:
            newest = (await outbox_numbers(connection, [self._number])).get(self._number, 0)
            if marker is not None and newest < marker:
                raise StrangeLog(
                    f"shard {self._number} is published up to {marker}, but the outbox only "
                    f"counts to {newest}: this Kafka and this Postgres are not of one history"
                )
            published = marker
            if published is None:
                # Nothing was ever published to this Kafka, so all that waits is to be.
                waiting = await load_outbox(connection, self._number, 0, rows_max=1)
                published = waiting[0].number - 1 if waiting else newest
            await delete_outbox(connection, self._number, published)
        self._deleted = self.published = published
        # A newer one may have been heard of meanwhile.
        self.hear(newest)
        return published

    async def _publish(self, producer: AIOKafkaProducer, published: int) -> int:
        """Publish the rows after a number, or wait until there may be some."""
        # Cleared before anything is looked for, so that a wake-up meanwhile is not lost.
        self._work.clear()
        rows = self._take_handed(published)
        if not rows and self._newest > published:
            rows = await self._load(published)
        if not rows:
            rows = await self._rest(published)
        if not rows:
            return published
        if rows[0].number != published + 1:
            self._judge_gap(published, rows[0].number)
        records = [record for row in rows for record in row.records]
        records.append(marker_record(self._settings, Progress(self._number, rows[-1].number)))
        await transact(producer, records)
        metrics.PUBLISHED.inc(len(records) - 1)
        self.published = rows[-1].number
        if self.published - self._deleted >= DELETE_ROWS:
            await self._delete(self.published)
        return self.published

    async def _load(self, published: int) -> list[OutboxRow]:
        began = perf_counter()
        async with self._pool.acquire() as connection:
            rows = await load_outbox(connection, self._number, published, ROWS_MAX)
        metrics.RELAY_SECONDS.labels("load").observe(perf_counter() - began)
        return rows

    async def _rest(self, published: int) -> list[OutboxRow]:
        """Wait until there may be rows; those that were there though nobody told of them."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), DELETE_SECONDS)
            return []
        if self._deleted < published:
            await self._delete(published)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), IDLE_SECONDS)
            return []
        return await self._load(published)

    async def _delete(self, published: int) -> None:
        async with self._pool.acquire() as connection:
            await delete_outbox(connection, self._number, published)
        self._deleted = published

    def _judge_gap(self, published: int, next_number: int) -> NoReturn:
        """Say why rows after a number are missing.

        A worker that was frozen wakes up as the owner that it no longer is, and may look for rows
        before it hears so. Taking over again shows whether they were published: the marker that
        says so was committed before they were deleted. So only a gap that is still there after
        the same marker is a loss.
        """
        if self._gone_after != published:
            self._gone_after = published
            raise RowsGone(f"rows {published + 1} to {next_number - 1}")
        raise StrangeLog(
            f"shard {self._number}: row {published + 1} is missing from the outbox, which "
            f"goes on with {next_number}: is this the Kafka that it was published to?"
        )

    def _take_handed(self, published: int) -> list[OutboxRow]:
        """The rows after a number that were handed over, as far as none is missing."""
        rows: list[OutboxRow] = []
        taken = 0
        while taken < BYTES_MAX and (found := self._handed.pop(published + len(rows) + 1, None)):
            row, size = found
            rows.append(row)
            taken += size
        self._handed_bytes -= taken
        if not rows and self._handed:
            # What is missing here is in the table; what is old was published from there.
            self._handed.clear()
            self._handed_bytes = 0
        return rows
