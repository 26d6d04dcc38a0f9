"""The spool: what Kafka could not be given is kept on this machine's disk until it can.

All disk work is done by one thread, so that the event loop never waits for the disk and no two
things touch a slot at once. What is put while one write is synced goes into the next together:
the more there is, the fewer syncs each costs.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

from workers.process import metrics
from workers.webhooks.spool.frames import RECORD_BYTES_MAX
from workers.webhooks.spool.segment import Record
from workers.webhooks.spool.slot import Slot, lock_abandoned, lock_any, make_directory

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 3.0
"""How often to look for slots that dead workers left."""

ArgsT = TypeVarTuple("ArgsT")
ResultT = TypeVar("ResultT")


class SpoolRefused(Exception):
    """The spool does not have the record: it is full, or the disk did not take it."""


class Chunk(NamedTuple):
    """The records that are to be drained next, in order."""

    slot: Slot
    records: list[Record]


class Spool:
    """The slots that this process has: its own, and for a while those of workers that died."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._thread = ThreadPoolExecutor(1, "spool")
        self._own: Slot | None = None
        self._taken_over: list[Slot] = []
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self._queued_bytes = 0
        """Of the queue, and of what is being written."""
        self._queued = asyncio.Event()
        self._filled = asyncio.Event()
        self._closed = False

    async def open(self) -> None:
        """Take a slot, with what is left in it, and those that dead workers left.

        Never raises: a disk that fails is asked again every few seconds.
        """
        try:
            if self._own is None:
                await self._run(make_directory, self._directory)
                slot = await self._run(lock_any, self._directory)
                await self._count(slot)
                self._own = slot
            for slot in await self._run(self._abandoned):
                log.warning("spool: %s is taken over", slot.directory.name)
                await self._count(slot)
                self._taken_over.append(slot)
        except OSError as error:
            log.error("spool: %s cannot be used: %s", self._directory, error.strerror or error)
        self._measure()

    def _abandoned(self) -> list[Slot]:
        return list(lock_abandoned(self._directory, {slot.directory for slot in self._slots}))

    async def _count(self, slot: Slot) -> None:
        # Segment by segment, so that what is to be written does not wait for all of them.
        while await self._run(slot.count):
            pass

    @property
    def _slots(self) -> list[Slot]:
        """Those of the dead first, whose records are older."""
        return [*self._taken_over, *([self._own] if self._own else [])]

    @property
    def empty(self) -> bool:
        """Whether nothing waits, neither on disk nor on its way there.

        A record counts from the moment it is put to the moment it is known to be drained, without
        a gap: its bytes leave the queue only after the slot counts them.
        """
        return not self._queued_bytes and not any(slot.bytes_waiting for slot in self._slots)

    def put(self, record: bytes) -> "asyncio.Future[None]":
        """Have a record on disk, behind all that were put before.

        The future is done when the disk has it; it raises SpoolRefused when it has not. Raises
        SpoolRefused at once when the spool is full.
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
        """Write what is put, for ever."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            queue, self._queue = self._queue, []
            try:
                await self._append([record for record, _ in queue])
            except Exception as error:
                # Whatever it is: who waits gets an answer, and the next may fare better.
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
        """Look for a slot of one's own, and for what dead workers left, for ever."""
        while True:
            await asyncio.sleep(TAKE_OVER_SECONDS)
            await self.open()
            self._filled.set()

    async def next_chunk(self) -> Chunk:
        """The records to be drained next, waiting until there are some; `drained` ends them.

        Raises OSError.
        """
        while True:
            # Cleared before it is looked, so that nothing put meanwhile is slept through.
            self._filled.clear()
            for slot in self._slots:
                if slot.bytes_waiting and (records := await self._run(slot.read)):
                    return Chunk(slot, records)
            await self._release()
            await self._filled.wait()

    async def drained(self, chunk: Chunk) -> None:
        """The records of the last chunk are where they belong."""
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
        """Let others have the slots; what is in them stays. Nothing can be put any more."""
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
            continue  # nobody waits for it any more
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
