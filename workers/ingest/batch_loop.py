"""Applies polls in transactions, each record once: claims, retries, isolates bad records.

One transaction applies one large poll, or several small ones of different partitions:

    claim the positions -> load and lock -> decide, record by record -> save -> outbox -> commit

The claim makes it exactly once. It moves the position of each partition within the transaction,
and only from where this worker left it. After a zombie, a repeat or a loss the position is not
there, and the claim fails.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Any

from faust.types import TP

from db.connect import AnyConnection, Pool
from db.errors import (
    PositionTaken,
    is_data_error,
    is_transient,
    is_unique_violation,
    refusal,
)
from db.positions import Claim, Partition, claim_positions, load_position
from db.queries import QUERIES
from schemas.cloudevents import Decoders, Incoming
from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from workers.agents.work import Work
from workers.ingest.dead_letter_limit import DeadLetterLimit
from workers.ingest.lost_records import say_lost
from workers.ingest.partition_slice import PartitionSlice, are_dead, joined, records_of
from workers.ingest.poll import Poll
from workers.kafka.records import KafkaRecord
from workers.outbox.collector import OUTBOX_BATCH_BYTES_MAX, OutboxCollector
from workers.process import metrics
from workers.process.hooks import Hooks
from workers.process.retries import pause, until_done
from workers.settings import Settings

log = logging.getLogger(__name__)

CONFLICTS_MAX = 3
"""Tries after a unique violation. When another transaction wrote the key first, the next try finds
it there; a violation that stays is the record's own fault."""

TOGETHER_SECONDS = 5.0
"""How long polls of several partitions may take in one transaction. Then each is applied alone,
since all of them may be waiting for a lock that only one of them needs."""


class BatchTooLarge(Exception):
    """Slices of several partitions emit more than one transaction may hold."""


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
        hooks: Hooks,
    ) -> None:
        """`begin` makes the work of one batch; `records_max` limits the records of one."""
        self._topic = topic
        self._decoders = decoders
        self._begin = begin
        self._pool = pool
        self._settings = settings
        self.records_max = records_max
        self._hooks = hooks
        self._unknown_commits: set[Partition] = set()
        """Partitions whose transaction, shared with others, ended with an unknown outcome."""
        metrics.LOST_RECORDS.labels(topic)  # from 0 on: the first loss must be seen to grow it
        self._limit = DeadLetterLimit(topic, settings.dead_letter_run, settings.dead_letter_ratio)

    async def apply(self, polls: Sequence[Poll]) -> dict[TP, int] | None:
        """Apply polls, in order.

        Returns the partitions to rewind, each with the position to read again from: records
        before their polls were passed over. All other records are applied, by this worker or by
        another. Returns None where polls of several partitions cannot be applied together; the
        caller then passes each partition's polls alone.

        Raises WorkerStop, and whatever is a bug.
        """
        with self._timed("decode"):
            slices = joined(self._slice(poll) for poll in polls)
        if len({slice_.partition for slice_ in slices}) > 1:
            return {} if await self._apply_together(slices) else None
        for slice_ in slices:
            position = await self._apply_alone(slice_)
            if position is not None:
                return {TP(*slice_.partition): position}
        return {}

    def _slice(self, poll: Poll) -> PartitionSlice:
        partition = (poll.tp.topic, poll.tp.partition)
        events = [self._decode(record, poll.fetched_at) for record in poll.records]
        return PartitionSlice(partition, poll.start, poll.end, poll.records, events, poll.lost)

    async def _apply_together(self, slices: list[PartitionSlice]) -> bool:
        """Try to apply slices of several partitions in one transaction. Returns whether it did.

        What prevents it concerns one partition, or passes by itself: a partition that another
        worker owns, a bad value, a lost connection, a lock held by a frozen worker. Applied alone,
        each partition meets only its own obstacle and holds up no other.
        """
        try:
            async with asyncio.timeout(TOGETHER_SECONDS):
                await self._apply_once(slices)
        except (PositionTaken, BatchTooLarge):
            return False
        except Exception as error:
            if is_transient(error):
                self._unknown_commits.update(slice_.partition for slice_ in slices)
            elif not (is_unique_violation(error) or is_data_error(error)):
                raise
            return False
        return True

    async def _apply_alone(self, slice_: PartitionSlice) -> int | None:
        """Apply a slice. Returns the position to rewind to if records were passed over."""
        waiting = [slice_]
        while waiting:
            slice_ = waiting.pop()
            if len(slice_.records) > self.records_max:
                slice_, rest = slice_.cut(self.records_max)
                waiting.append(rest)
            done = await self._apply_with_retries(slice_)
            if isinstance(done, int):
                return done
            waiting += reversed(done)
        return None

    def _decode(self, record: KafkaRecord, fetched_at: datetime) -> Incoming[Any] | InvalidRecord:
        try:
            return self._decoders.decode(record.value, record.headers, record.timestamp, fetched_at)
        except InvalidRecord as error:
            return error

    async def _apply_with_retries(self, slice_: PartitionSlice) -> list[PartitionSlice] | int:
        """Apply a slice. Returns what remains of it, or the position to rewind to.

        After each failure the stored position decides how to continue. It also shows whether a
        commit of unknown outcome, as of a connection that was lost in COMMIT, was done.
        """
        conflicts, failures = 0, int(slice_.partition in self._unknown_commits)
        self._unknown_commits.discard(slice_.partition)
        while True:
            try:
                return await self._apply_once([slice_])
            except PositionTaken:
                metrics.REFUSED_POSITIONS.labels(self._topic).inc()
            except Exception as error:
                if is_unique_violation(error) and conflicts < CONFLICTS_MAX:
                    conflicts += 1
                elif is_data_error(error):
                    return self._halve_or_dead_letter(slice_, error)
                elif is_transient(error):
                    failures += 1
                    self._count_retry(error)
                    await pause(self._topic, error, failures, self._hooks.alive)
                else:
                    raise
            position = await self._position(slice_)
            if position < slice_.start:
                log.warning("%s: records from %d were passed over", self._topic, position)
                return position
            if position >= slice_.end:
                # Another worker applied it, or a commit of ours whose answer was lost.
                self._count_unknown_commits([slice_] if failures else [])
                return []
            if position > slice_.start:
                slice_ = slice_.after(position)

    async def _apply_once(self, slices: list[PartitionSlice]) -> list[PartitionSlice]:
        """Apply slices in one transaction. Returns what remains of a single slice that emitted too
        much for it. Raises BatchTooLarge when there are several."""
        work = self._begin()
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                outbox, applied, left = await self._apply_within(connection, slices, work)
                with self._timed("outbox"):
                    rows = await outbox.save(connection)
                began = perf_counter()
            metrics.STAGE_SECONDS.labels(self._topic, "commit").observe(perf_counter() - began)
        self._count(applied)
        self._hooks.committed(rows)
        self._hooks.alive()
        return left

    async def _apply_within(
        self, connection: AnyConnection, slices: list[PartitionSlice], work: Work
    ) -> tuple[OutboxCollector, list[PartitionSlice], list[PartitionSlice]]:
        with self._timed("claim"):
            await claim_positions(connection, [slice_.claim() for slice_ in slices])
        valid = [
            event for slice_ in slices for event in slice_.events if isinstance(event, Incoming)
        ]
        with self._timed("load"):
            await work.load(connection, valid)
            # Read once everything is locked: a message counts as recorded from here on.
            now: datetime = await connection.fetchval(QUERIES["clock"])
        outbox = OutboxCollector(self._settings, now)
        with self._timed("decide"):
            count = _decide(slices, work, outbox, now)
        left: list[PartitionSlice] = []
        if count < sum(len(slice_.records) for slice_ in slices):
            if len(slices) > 1:
                raise BatchTooLarge
            [whole] = slices
            slices, left = map(list, zip(whole.cut(count), strict=True))
            claim = Claim(*whole.partition, whole.end, slices[0].end)
            await claim_positions(connection, [claim])
        self._limit.check(are_dead(slices))
        with self._timed("save"):
            await work.save(connection, now)
        return outbox, slices, left

    def _count(self, applied: list[PartitionSlice]) -> None:
        dead = are_dead(applied)
        self._limit.count(dead)
        metrics.RECORDS.labels(self._topic).inc(len(dead))
        metrics.BATCH_RECORDS.labels(self._topic).observe(len(dead))
        say_lost(self._topic, applied)
        for record, event in records_of(applied):
            if isinstance(event, InvalidRecord):
                metrics.DEAD_LETTERS.labels(self._topic, event.code).inc()
                place = f"{record.topic}[{record.partition}]@{record.offset}"
                log.warning("%s dead-lettered: %s", place, event.code)

    def _halve_or_dead_letter(
        self, slice_: PartitionSlice, error: Exception
    ) -> list[PartitionSlice]:
        """Postgres refuses the values of a record: halve until it is alone, then dead-letter it."""
        if len(slice_.records) > 1:
            return list(slice_.cut(len(slice_.records) // 2))
        # Postgres says what is wrong in its message, and the values in its detail.
        refused = InvalidRecord(DeadLetterCode.UNSTORABLE, refusal(error))
        return [replace(slice_, events=[refused])]

    async def _position(self, slice_: PartitionSlice) -> int:
        """Return the position of the slice's partition. Repeated until Postgres answers."""

        async def load() -> int:
            try:
                async with self._pool.acquire() as connection:
                    return await load_position(connection, slice_.partition)
            except Exception as error:
                self._count_retry(error)
                raise

        return await until_done(self._topic, load, self._hooks.alive)

    def _count_unknown_commits(self, slices: list[PartitionSlice]) -> None:
        metrics.UNKNOWN_COMMITS.labels(self._topic).inc(len(slices))
        say_lost(self._topic, slices)

    def _count_retry(self, error: Exception) -> None:
        if is_transient(error):
            metrics.RETRIES.labels(self._topic, type(error).__name__).inc()

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = perf_counter()
        yield
        metrics.STAGE_SECONDS.labels(self._topic, stage).observe(perf_counter() - began)


def _decide(
    slices: Iterable[PartitionSlice], work: Work, outbox: OutboxCollector, now: datetime
) -> int:
    """Decide record by record. Returns how many: a batch that emits too much is cut there."""
    count = 0
    for record, event in records_of(slices):
        count += 1
        if isinstance(event, InvalidRecord):
            outbox.add_dead_letter(record, event)
        else:
            for outgoing in work.decide(event, now):
                outbox.add(outgoing)
        if outbox.bytes >= OUTBOX_BATCH_BYTES_MAX:
            break
    return count
