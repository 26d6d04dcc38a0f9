"""One shard of the outbox: its one owner publishes it, each record exactly once.

1. `InitProducerId` fences the old owner.
2. The shard reads its last progress marker with `read_committed`.
3. Again and again, it publishes the rows after the marker. One Kafka transaction contains the rows
   and the marker of the last row.

So a `read_committed` consumer sees each record once and in order, no matter when an owner dies.
Rows are deleted after their transaction. Rows that a crash leaves are below the marker.
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
from workers.process.errors import ForeignLog
from workers.process.retries import end_if_cancelled, pause_seconds
from workers.settings import Settings

log = logging.getLogger(__name__)

SHARD_BYTES_MAX = 4 * 1024 * 1024
"""A transaction takes no further row when its values have this size."""

ROWS_MAX = 4
"""The most rows that are loaded at once. A row ends at about 1 MiB, so this is the same limit."""

OFFERED_BYTES_MAX = SHARD_BYTES_MAX
"""A shard takes no further rows into memory then. A relay that falls behind reads the table."""

IDLE_SHARD_SECONDS = 1.0
"""How often an idle shard checks the table itself, without being woken."""

DELETE_ROWS = 16
DELETE_SECONDS = 0.05
"""Published rows are deleted when there are so many, or when nothing new came for so long. So one
statement deletes the rows of several transactions."""

RESTART_SECONDS_FIRST = 0.2
"""The pause after the first failure in a row."""


class RowsGone(Exception):
    """The next row is missing: another owner published it, or the outbox lost it."""


class Shard:
    """One shard of the outbox, published in order by its one owner."""

    def __init__(self, number: int, settings: Settings, pool: Pool) -> None:
        self._number = number
        self._settings = settings
        self._pool = pool
        self._work = asyncio.Event()
        """Set when there may be rows to publish."""
        self._newest = 0
        """The number of the newest committed row that this worker knows of."""
        self._deleted = 0
        """The number of the newest deleted row."""
        self._offered: dict[int, tuple[OutboxRow, int]] = {}
        """Rows that were handed over, by number, each with its size in bytes."""
        self._offered_bytes = 0
        self.published: int | None = None
        """The number of the newest published row; None until the shard is taken over."""
        self._gone_after: int | None = None
        """The number after which rows were last found missing."""

    def offer(self, row: OutboxRow) -> None:
        """Take a committed row. It is kept only if there is room, since the table has it too."""
        if self._offered_bytes < OFFERED_BYTES_MAX:
            size = sum(len(record.value or b"") for record in row.records)
            self._offered[row.number] = (row, size)
            self._offered_bytes += size
        self.note_newest(row.number)

    def note_newest(self, newest: int) -> None:
        """Note the number of a committed row, and wake the shard if the row is not published."""
        self._newest = max(self._newest, newest)
        if self.published is None or newest > self.published:
            self._work.set()

    async def run(self) -> None:
        """Publish for ever. After an error, start again with a new producer and the marker.

        Raises ForeignLog when the marker and the outbox are not of one history.
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
            # If the error was that of a fenced producer, the new owner needs a moment. If there is
            # no new owner, this worker takes over again.
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
        """Returns how far the shard is published, now that the old owner is fenced."""
        marker = await read_marker(self._settings, self._number)
        async with self._pool.acquire() as connection:
            newest = (await outbox_numbers(connection, [self._number])).get(self._number, 0)
            if marker is not None and newest < marker:
                raise ForeignLog(
                    f"shard {self._number} is published up to {marker}, but the outbox only "
                    f"counts to {newest}: this Kafka and this Postgres are not of one history"
                )
            published = marker
            if published is None:
                # Nothing was ever published to this Kafka, so every waiting row is published.
                waiting = await load_outbox(connection, self._number, 0, rows_max=1)
                published = waiting[0].number - 1 if waiting else newest
            await delete_outbox(connection, self._number, published)
        self._deleted = self.published = published
        # A newer row may have been noted meanwhile.
        self.note_newest(newest)
        return published

    async def _publish(self, producer: AIOKafkaProducer, published: int) -> int:
        """Publish the next rows after a number, or wait until there may be some.

        Returns the number of the last published row.
        """
        # Cleared before the check for rows, so that a wake-up in between is not lost.
        self._work.clear()
        rows = self._take_offered(published)
        if not rows and self._newest > published:
            rows = await self._load(published)
        if not rows:
            rows = await self._wait_for_rows(published)
        if not rows:
            return published
        if rows[0].number != published + 1:
            self._raise_gap(published, rows[0].number)
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

    async def _wait_for_rows(self, published: int) -> list[OutboxRow]:
        """Wait until there may be rows, and delete published rows meanwhile.

        Returns the rows that the table holds though nothing woke the shard.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), DELETE_SECONDS)
            return []
        if self._deleted < published:
            await self._delete(published)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), IDLE_SHARD_SECONDS)
            return []
        return await self._load(published)

    async def _delete(self, published: int) -> None:
        async with self._pool.acquire() as connection:
            await delete_outbox(connection, self._number, published)
        self._deleted = published

    def _raise_gap(self, published: int, next_number: int) -> NoReturn:
        """Raise the error of missing rows: RowsGone the first time, then ForeignLog.

        A worker that was frozen may still believe that it owns the shard, and may load rows before
        Kafka tells it that it was fenced. Another owner may have published and deleted the rows
        meanwhile. Taking over again settles this, since a row's marker is committed before the row
        is deleted. So rows are lost only if they are still missing after the same marker.
        """
        if self._gone_after != published:
            self._gone_after = published
            raise RowsGone(f"rows {published + 1} to {next_number - 1}")
        raise ForeignLog(
            f"shard {self._number}: row {published + 1} is missing from the outbox, which "
            f"goes on with {next_number}: is this the Kafka that it was published to?"
        )

    def _take_offered(self, published: int) -> list[OutboxRow]:
        """Returns the rows after a number that were handed over, up to the first missing row."""
        rows: list[OutboxRow] = []
        taken = 0
        while taken < SHARD_BYTES_MAX and (
            found := self._offered.pop(published + len(rows) + 1, None)
        ):
            row, size = found
            rows.append(row)
            taken += size
        self._offered_bytes -= taken
        if not rows and self._offered:
            # The missing row is in the table. Older rows were published from the table.
            self._offered.clear()
            self._offered_bytes = 0
        return rows
