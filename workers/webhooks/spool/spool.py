"""The spool: keeps webhooks on this machine's disk until Kafka takes them.

One thread does all disk work, so that the event loop never waits for the disk, and no two steps
use a slot at once. Records that are put while a write is synced are written together afterwards:
the more records come, the fewer syncs each of them costs.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

from workers.process import metrics
from workers.webhooks.spool.directory import lock_abandoned, lock_any, make_directory
from workers.webhooks.spool.frames import RECORD_BYTES_MAX
from workers.webhooks.spool.segment import SpoolRecord
from workers.webhooks.spool.slot import Slot

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 3.0
"""How often to search for slots of dead workers."""

LEFT_ALONE_SECONDS = 60.0
"""How long a slot that is not this worker's is left alone before it is looked at again."""

AreOurs = Callable[[list[SpoolRecord]], Awaitable[bool | None]]
"""Whether this worker knows what some records are about; None while it cannot tell."""

ArgsT = TypeVarTuple("ArgsT")
ResultT = TypeVar("ResultT")


class SpoolRefused(Exception):
    """The record is not in the spool: the spool is full or closed, or the disk did not take it."""


class Chunk(NamedTuple):
    """The next records to drain, in order, all of one slot."""

    slot: Slot
    records: list[SpoolRecord]


class Spool:
    """The slots that this process has: its own, and for a while those of dead workers."""

    def __init__(self, directory: Path, bytes_max: int, prefix: str, are_ours: AreOurs) -> None:
        """`prefix` is that of this worker's topics. `are_ours` is asked about the slots of
        versions that wrote no prefix."""
        self._directory = directory
        self._bytes_max = bytes_max
        self._prefix = prefix
        self._are_ours = are_ours
        self._left_alone: dict[Path, float] = {}
        """Slots that are not this worker's, and until when they are left alone (monotonic)."""
        self._thread = ThreadPoolExecutor(1, "spool")
        self._own: Slot | None = None
        self._taken_over: list[Slot] = []
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self._queued_bytes = 0
        """Bytes in the queue, and of the records that are being written."""
        self._queued = asyncio.Event()
        self._filled = asyncio.Event()
        self._closed = False

    async def open(self) -> None:
        """Take a slot of its own, and those of dead workers, with the records in them.

        Never raises: when the disk fails, `take_over` tries again every few seconds.
        """
        try:
            if self._own is None:
                await self._run(make_directory, self._directory)
                slot = await self._run(lock_any, self._directory, self._prefix)
                await self._count(slot)
                self._own = slot
            for slot in await self._run(self._abandoned):
                if not await self._is_ours(slot):
                    await self._run(slot.release)
                    continue
                log.warning("spool: %s is taken over", slot.directory.name)
                await self._count(slot)
                self._taken_over.append(slot)
        except OSError as error:
            log.error("spool: %s cannot be used: %s", self._directory, error.strerror or error)
        self._measure()

    def _abandoned(self) -> list[Slot]:
        now = time.monotonic()
        passed_over = {path for path, until in self._left_alone.items() if until > now}
        passed_over |= {slot.directory for slot in self._slots}
        return list(lock_abandoned(self._directory, passed_over))

    async def _is_ours(self, slot: Slot) -> bool:
        """Whether the records of an abandoned slot are for this worker's topics."""
        if slot.prefix == self._prefix:
            return True
        if slot.prefix is not None:
            self._leave_alone(
                slot,
                f"the worker that took its webhooks had the prefix {slot.prefix} instead. "
                f"{self._remedy(slot)}",
            )
            return False
        known = await self._knows(slot)
        if known is False:
            self._leave_alone(
                slot,
                "a version that wrote no prefix left it, and no channel here has the address of "
                f"one of its webhooks. {self._remedy(slot)}",
            )
        elif known:
            await self._run(slot.label, self._prefix)
        return bool(known)

    def _remedy(self, slot: Slot) -> str:
        path = slot.directory / "prefix"
        return f"If they are this worker's all the same, write {self._prefix} into {path}"

    async def _knows(self, slot: Slot) -> bool | None:
        records = slot.waiting()
        while chunk := await self._run(_next, records):
            if not (answer := await self._are_ours(chunk)):
                return answer
        return True

    def _leave_alone(self, slot: Slot, reason: str) -> None:
        if slot.directory not in self._left_alone:
            mine = self._prefix
            log.warning("spool: %s is left alone (prefix %s): %s", slot.directory, mine, reason)
        self._left_alone[slot.directory] = time.monotonic() + LEFT_ALONE_SECONDS

    async def _count(self, slot: Slot) -> None:
        # Segment by segment, so that a write does not wait for all of them.
        while await self._run(slot.count):
            pass

    @property
    def _slots(self) -> list[Slot]:
        """All slots, those of dead workers first: their records are older."""
        return [*self._taken_over, *([self._own] if self._own else [])]

    @property
    def empty(self) -> bool:
        """Whether no record waits, neither on disk nor on its way there.

        A record counts without a gap from the moment when it is put to the moment when it is
        drained: its bytes are subtracted from the queue's only after the slot counts them.
        """
        return not self._queued_bytes and not any(slot.bytes_waiting for slot in self._slots)

    def put(self, record: bytes) -> "asyncio.Future[None]":
        """Queue a record to be written, after all that were put before.

        The future is done once the record is on disk, or raises SpoolRefused when the write
        failed. Raises SpoolRefused at once when the spool is full.
        """
        if self._closed or not 1 <= len(record) <= RECORD_BYTES_MAX:
            raise SpoolRefused("not now" if self._closed else f"a record of {len(record)} bytes")
        if self._bytes_waiting + len(record) > self._bytes_max:
            raise SpoolRefused("the spool is full")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((record, future))
        self._queued_bytes += len(record)
        self._queued.set()
        return future

    @property
    def _bytes_waiting(self) -> int:
        return self._queued_bytes + sum(slot.bytes_waiting for slot in self._slots)

    async def write(self) -> None:
        """Write the records that are put, for ever."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            queue, self._queue = self._queue, []
            try:
                await self._append([record for record, _ in queue])
            except Exception as error:
                # After any error: those who wait are answered, and the next write may succeed.
                log.error("spool: %d records refused: %r", len(queue), error)
                _answer(queue, SpoolRefused(type(error).__name__))
            else:
                metrics.SPOOLED.inc(len(queue))
                _answer(queue, None)
            self._queued_bytes -= sum(len(record) for record, _ in queue)
            self._filled.set()
            self._measure()

    async def _append(self, records: list[bytes]) -> None:
        if self._own is None:
            raise SpoolRefused("no slot on the disk")
        await self._run(self._own.append, records)

    async def take_over(self) -> None:
        """Every few seconds, take a slot of its own and those of dead workers, for ever."""
        while True:
            await asyncio.sleep(TAKE_OVER_SECONDS)
            await self.open()
            self._filled.set()

    async def next_chunk(self) -> Chunk:
        """Wait until records wait to be drained, and return the next ones.

        The same records are returned until `drained` is called. Raises OSError.
        """
        while True:
            # Cleared before the slots are read, so that a record that is put meanwhile wakes it.
            self._filled.clear()
            for slot in self._slots:
                if slot.bytes_waiting and (records := await self._run(slot.read)):
                    return Chunk(slot, records)
            await self._release()
            await self._filled.wait()

    async def drained(self, chunk: Chunk) -> None:
        """Note that Kafka has the records of the last chunk. Raises OSError."""
        await self._run(chunk.slot.advance, chunk.records)
        metrics.DRAINED.inc(len(chunk.records))
        await self._release()

    async def _release(self) -> None:
        for slot in [slot for slot in self._taken_over if not slot.bytes_waiting]:
            self._taken_over.remove(slot)
            await self._run(slot.release)
        self._measure()

    def _measure(self) -> None:
        metrics.SPOOL_RECORDS.set(sum(slot.records_waiting for slot in self._slots))
        metrics.SPOOL_BYTES.set(self._bytes_waiting)

    def close(self) -> None:
        """Release the slots for other processes; their records stay. No more records can be put."""
        self._closed = True
        _answer(self._queue, SpoolRefused("the worker stops"))
        slots, self._own, self._taken_over = self._slots, None, []
        for slot in slots:
            self._thread.submit(slot.release)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _answer(queue: list[tuple[bytes, "asyncio.Future[None]"]], error: SpoolRefused | None) -> None:
    for _, future in queue:
        if future.done():
            continue  # cancelled: nobody waits for it any more
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _next(records: Iterator[list[SpoolRecord]]) -> list[SpoolRecord]:
    return next(records, [])
