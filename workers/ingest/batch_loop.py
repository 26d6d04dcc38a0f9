"""The one batch loop: position, transaction, retry, bisecting, dead letters, ack.

Polls are applied in one transaction: a large one alone, small ones of several partitions together.

    claim the positions -> load and lock -> decide, record by record -> save -> outbox -> commit

A claimed position makes it exactly once: it moves in the same transaction, from where this
worker left it, so a zombie, a repeat and a loss all show as a position that is somewhere else.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Any, Protocol

from faust.types import TP

from db.connect import AnyConnection, Pool
from db.errors import (
    PositionTaken,
    is_data_error,
    is_transient,
    is_unique_violation,
    refusal,
)
from db.outbox import OutboxRow
from db.positions import Claim, Partition, claim_positions, load_position
from db.queries import QUERIES
from domain.decision import Outgoing
from schemas.cloudevents import Decoders, Incoming
from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from workers.ingest.partition_slice import Segment, are_dead, joined, records_of
from workers.ingest.transport import KafkaRecord, Poll
from workers.outbox.collector import BATCH_BYTES_MAX, Outbox
from workers.outbox.dead_letter import DeadLetterLimit
from workers.process import metrics
from workers.process.retries import pause_seconds
from workers.settings import Settings

log = logging.getLogger(__name__)

CONFLICTS_MAX = 3
"""A key that another transaction wrote first is found there by the next try. One that is still in
the way after so many tries is the record's own fault."""

TOGETHER_SECONDS = 5.0
"""After which polls of several partitions no longer wait together, perhaps for one's lock."""


class Work(Protocol):
    """What one batch loaded and decided: the three verbs of an agent."""

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[Any]]) -> None:
        """Read and lock what the events are about."""

    def decide(self, event: Incoming[Any], now: datetime) -> Iterable[Outgoing]:
        """Apply one event to what was loaded; what is to be said of it."""

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write what was decided."""


class TooMuch(Exception):
    """Several partitions have too much to say for one transaction."""


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
        self._doubtful: set[Partition] = set()
        """Partitions of which a transaction was lost together with others, perhaps committed."""
        self._limit = DeadLetterLimit(topic, settings.dead_letter_run, settings.dead_letter_ratio)

    async def apply(self, polls: Sequence[Poll]) -> dict[TP, int] | None:
        """Apply polls, in order. All is applied then, by this worker or another, but for the
        partitions that are named, with the position to read again from: records before a poll
        were passed over. None for polls of several partitions that cannot be applied together:
        each partition's are to be applied by themselves. Raises WorkerStop, and what is a bug.
        """
        with self._timed("decode"):
            segments = joined(self._segment(poll) for poll in polls)
        if len({segment.partition for segment in segments}) > 1:
            return {} if await self._apply_together(segments) else None
        for segment in segments:
            position = await self._apply_alone(segment)
            if position is not None:
                return {TP(*segment.partition): position}
        return {}

    def _segment(self, poll: Poll) -> Segment:
        partition = (poll.tp.topic, poll.tp.partition)
        events = [self._decode(record) for record in poll.records]
        return Segment(partition, poll.start, poll.end, poll.records, events)

    async def _apply_together(self, segments: list[Segment]) -> bool:
        """Try to apply segments of several partitions in one transaction.

        Whatever is in the way of that, a partition that somebody else has, a bad value, a lost
        connection, a lock of a worker that froze, concerns one of them or passes: each by itself
        finds out, and holds up no other.
        """
        try:
            async with asyncio.timeout(TOGETHER_SECONDS):
                await self._apply_once(segments)
        except (PositionTaken, TooMuch):
            return False
        except Exception as error:
            if is_transient(error):
                self._doubtful.update(segment.partition for segment in segments)
            elif not (is_unique_violation(error) or is_data_error(error)):
                raise
            return False
        return True

    async def _apply_alone(self, segment: Segment) -> int | None:
        """Apply a segment; the position to read again from, if records were passed over."""
        waiting = [segment]
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
        conflicts, failures = 0, int(segment.partition in self._doubtful)
        self._doubtful.discard(segment.partition)
        while True:
            try:
                return await self._apply_once([segment])
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

    async def _apply_once(self, segments: list[Segment]) -> list[Segment]:
        """Apply segments in one transaction; what is left when a single one had too much to say.
        Raises TooMuch when several had."""
        work = self._begin()
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                outbox, applied, left = await self._apply_within(connection, segments, work)
                with self._timed("outbox"):
                    rows = await outbox.save(connection)
                began = perf_counter()
            metrics.STAGE_SECONDS.labels(self._topic, "commit").observe(perf_counter() - began)
        self._count(applied)
        self._committed(rows)
        self._alive()
        return left

    async def _apply_within(
        self, connection: AnyConnection, segments: list[Segment], work: Work
    ) -> tuple[Outbox, list[Segment], list[Segment]]:
        with self._timed("claim"):
            await claim_positions(connection, [segment.claim() for segment in segments])
        valid = [
            event for segment in segments for event in segment.events if isinstance(event, Incoming)
        ]
        with self._timed("load"):
            await work.load(connection, valid)
            # Read once everything is locked: a message counts as recorded from here on.
            now: datetime = await connection.fetchval(QUERIES["clock"])
        outbox = Outbox(self._settings, now)
        with self._timed("decide"):
            count = _decide(segments, work, outbox, now)
        left: list[Segment] = []
        if count < sum(len(segment.records) for segment in segments):
            if len(segments) > 1:
                raise TooMuch
            [whole] = segments
            segments, left = map(list, zip(whole.cut(count), strict=True))
            claim = Claim(*whole.partition, whole.end, segments[0].end)
            await claim_positions(connection, [claim])
        self._limit.check(are_dead(segments))
        with self._timed("save"):
            await work.save(connection, now)
        return outbox, segments, left

    def _count(self, applied: list[Segment]) -> None:
        dead = are_dead(applied)
        self._limit.count(dead)
        metrics.RECORDS.labels(self._topic).inc(len(dead))
        metrics.BATCH_RECORDS.labels(self._topic).observe(len(dead))
        for record, event in records_of(applied):
            if isinstance(event, InvalidRecord):
                metrics.DEAD_LETTERS.labels(self._topic, event.code).inc()
                place = f"{record.topic}[{record.partition}]@{record.offset}"
                log.warning("%s dead-lettered: %s", place, event.code)

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


def _decide(segments: Iterable[Segment], work: Work, outbox: Outbox, now: datetime) -> int:
    """Decide record by record; how many, since a batch with too much to say is cut."""
    count = 0
    for record, event in records_of(segments):
        count += 1
        if isinstance(event, InvalidRecord):
            outbox.add_dead_letter(record, event)
        else:
            for outgoing in work.decide(event, now):
                outbox.add(outgoing)
        if outbox.bytes >= BATCH_BYTES_MAX:
            break
    return count
