"""The one batch loop: position, transaction, retry, bisecting, dead letters, ack.

Each poll of a partition is applied in one transaction:

    claim the position -> load and lock -> decide, record by record -> save -> outbox -> commit

The claimed position makes it exactly once: it moves in the same transaction, from where this
worker left it, so a zombie, a repeat and a loss all show as a position that is somewhere else.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import Any, Protocol

from db.connect import AnyConnection, Pool
from db.errors import (
    PositionTaken,
    is_data_error,
    is_transient,
    is_unique_violation,
    refusal,
)
from db.outbox import OutboxRow
from db.positions import Partition, claim_position, load_position
from db.queries import QUERIES
from domain.decision import Outgoing
from schemas.cloudevents import Decoders, Incoming
from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from workers import metrics
from workers.backoff import pause_seconds
from workers.dead_letters import DeadLetterLimit
from workers.outgoing import BATCH_BYTES_MAX, Outbox
from workers.settings import Settings
from workers.transport import KafkaRecord, Poll

log = logging.getLogger(__name__)

CONFLICTS_MAX = 3
"""A key that another transaction wrote first is found there by the next try. One that is still in
the way after so many tries is the record's own fault."""


class Work(Protocol):
    """What one batch loaded and decided: the three verbs of an agent."""

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[Any]]) -> None:
        """Read and lock what the events are about."""

    def decide(self, event: Incoming[Any], now: datetime) -> Iterable[Outgoing]:
        """Apply one event to what was loaded; what is to be said of it."""

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write what was decided."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive records of one partition, decoded or known to be invalid."""

    partition: Partition
    start: int
    """The position before it."""
    end: int
    """The position after it."""
    records: list[KafkaRecord]
    events: list[Incoming[Any] | InvalidRecord]

    def cut(self, count: int) -> tuple["Segment", "Segment"]:
        """Its first `count` records, and the others."""
        middle = self.records[count - 1].offset + 1
        return (
            replace(self, end=middle, records=self.records[:count], events=self.events[:count]),
            replace(self, start=middle, records=self.records[count:], events=self.events[count:]),
        )

    def after(self, position: int) -> "Segment":
        """What of it lies at or after a position."""
        count = sum(record.offset < position for record in self.records)
        return replace(
            self, start=position, records=self.records[count:], events=self.events[count:]
        )


class BatchLoop:
    """Applies the polls of one topic, in order per partition, each record exactly once."""

    def __init__(
        self,
        topic: str,
        decoders: Decoders,
        begin: Callable[[], Work],
        *,
        pool: Pool,
        settings: Settings,
        records_max: int,
        committed: Callable[[list[OutboxRow]], None],
        alive: Callable[[], None],
    ) -> None:
        self._topic = topic
        self._decoders = decoders
        self._begin = begin
        self._pool = pool
        self._settings = settings
        self._records_max = records_max
        self._committed = committed
        """Given the outbox rows of a transaction, now that it is committed."""
        self._alive = alive
        """Told of every sign of life: a batch applied, or a database that is waited for."""
        self._limit = DeadLetterLimit(topic, settings.dead_letter_run, settings.dead_letter_ratio)

    async def apply(self, poll: Poll) -> int | None:
        """Apply a poll. None when all of it is applied, by this worker or another.

        Else the position to read again from: records before the poll were passed over. Raises
        WorkerStop, and whatever is a bug.
        """
        with self._timed("decode"):
            events = [self._decode(record) for record in poll.records]
        partition = (poll.tp.topic, poll.tp.partition)
        waiting = [Segment(partition, poll.start, poll.end, poll.records, events)]
        while waiting:
            segment = waiting.pop()
            if len(segment.records) > self._records_max:
                segment, rest = segment.cut(self._records_max)
                waiting.append(rest)
            done = await self._apply_until_settled(segment)
            if isinstance(done, int):
                return done
            waiting += reversed(done)
        return None

    def _decode(self, record: KafkaRecord) -> Incoming[Any] | InvalidRecord:
        try:
            return self._decoders.decode(record.value, record.headers, record.timestamp)
        except InvalidRecord as error:
            return error

    async def _apply_until_settled(self, segment: Segment) -> list[Segment] | int:
        """Apply a segment: what is left of it, or the position to read again from."""
        conflicts = failures = 0
        while True:
            try:
                return await self._apply_once(segment)
            except PositionTaken:
                metrics.REFUSED_POSITIONS.labels(self._topic).inc()
            except Exception as error:
                if is_unique_violation(error) and conflicts < CONFLICTS_MAX:
                    conflicts += 1
                elif is_data_error(error):
                    return self._halves(segment, error)
                elif is_transient(error):
                    failures += 1
                    await self._pause(error, failures)
                else:
                    raise
            position = await self._position(segment)
            if position < segment.start:
                log.warning("%s: records from %d were passed over", self._topic, position)
                return position
            if position >= segment.end:
                metrics.UNKNOWN_COMMITS.labels(self._topic).inc(failures > 0)
                return []
            if position > segment.start:
                segment = segment.after(position)

    async def _apply_once(self, segment: Segment) -> list[Segment]:
        """Apply a segment in one transaction; what is left when it had too much to say."""
        work = self._begin()
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                outbox, count = await self._apply_within(connection, segment, work)
                with self._timed("outbox"):
                    rows = await outbox.save(connection)
                began = perf_counter()
            metrics.STAGE_SECONDS.labels(self._topic, "commit").observe(perf_counter() - began)
        applied, *left = segment.cut(count) if count < len(segment.records) else (segment,)
        self._count(applied)
        self._committed(rows)
        self._alive()
        return left

    async def _apply_within(
        self, connection: AnyConnection, segment: Segment, work: Work
    ) -> tuple[Outbox, int]:
        partition = segment.partition
        with self._timed("claim"):
            await claim_position(connection, partition, segment.start, segment.end)
        valid = [event for event in segment.events if isinstance(event, Incoming)]
        with self._timed("load"):
            await work.load(connection, valid)
            # Read once everything is locked: a message counts as recorded from here on.
            now: datetime = await connection.fetchval(QUERIES["clock"])
        outbox = Outbox(self._settings, now)
        with self._timed("decide"):
            count = _decide(segment, work, outbox, now)
        if count < len(segment.records):
            await claim_position(connection, partition, segment.end, segment.cut(count)[0].end)
        self._limit.check([isinstance(event, InvalidRecord) for event in segment.events[:count]])
        with self._timed("save"):
            await work.save(connection, now)
        return outbox, count

    def _count(self, applied: Segment) -> None:
        self._limit.count([isinstance(event, InvalidRecord) for event in applied.events])
        metrics.RECORDS.labels(self._topic).inc(len(applied.records))
        metrics.BATCH_RECORDS.labels(self._topic).observe(len(applied.records))
        for record, event in zip(applied.records, applied.events, strict=True):
            if isinstance(event, InvalidRecord):
                metrics.DEAD_LETTERS.labels(self._topic, event.code).inc()
                log.warning(
                    "%s[%d]@%d dead-lettered: %s",
                    record.topic,
                    record.partition,
                    record.offset,
                    event.code,
                )

    def _halves(self, segment: Segment, error: Exception) -> list[Segment]:
        """The values of some record are refused: halve until it stands alone, and set it aside."""
        if len(segment.records) > 1:
            return list(segment.cut(len(segment.records) // 2))
        # Postgres says what is wrong in its message, and the values in its detail.
        refused = InvalidRecord(DeadLetter.UNSTORABLE, refusal(error))
        return [replace(segment, events=[refused])]

    async def _position(self, segment: Segment) -> int:
        """Where the partition stands, asked until the database answers."""
        failures = 0
        while True:
            try:
                async with self._pool.acquire() as connection:
                    return await load_position(connection, segment.partition)
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1
                await self._pause(error, failures)

    async def _pause(self, error: Exception, failures: int) -> None:
        self._alive()
        metrics.RETRIES.labels(self._topic, type(error).__name__).inc()
        seconds = pause_seconds(failures)
        log.warning("%s: %s, again in %.1f s", self._topic, type(error).__name__, seconds)
        await asyncio.sleep(seconds)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = perf_counter()
        yield
        metrics.STAGE_SECONDS.labels(self._topic, stage).observe(perf_counter() - began)


def _decide(segment: Segment, work: Work, outbox: Outbox, now: datetime) -> int:
    """Decide record by record; how many, since a batch with too much to say is cut."""
    for count, (record, event) in enumerate(
        zip(segment.records, segment.events, strict=True), start=1
    ):
        if isinstance(event, InvalidRecord):
            outbox.add_dead_letter(record, event)
        else:
            for outgoing in work.decide(event, now):
                outbox.add(outgoing)
        if outbox.bytes >= BATCH_BYTES_MAX:
            return count
    return len(segment.records)
