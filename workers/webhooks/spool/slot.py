"""A slot of the spool: a directory that one process at a time writes to, drains, and owns.

Its lock is the kernel's (flock), so that it ends with the process however that ends. Whoever
gets the lock of a slot has its records too. All functions use the disk, and raise OSError.
"""

import fcntl
import logging
import os
import struct
import time
from collections import deque
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Self
from zlib import crc32

from workers.webhooks.spool.frames import framed
from workers.webhooks.spool.segment import SUFFIX, Record, Segment

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024
"""About how large a segment grows before the next one starts."""

SLOTS_MAX = 256
"""Processes that share a directory."""

_DIGITS = 20
"""Of a segment's number, which is its file's name."""

_PROGRESS = struct.Struct(">QQ")
"""The number of the segment that is drained, and how many bytes of it are."""


class Slot:
    """One directory of segments, locked by this process. For one thread at a time."""

    def __init__(self, directory: Path, lock: int, segment_bytes: int) -> None:
        self.directory = directory
        self.bytes_waiting = 0
        """Bytes to be drained: any thread may look."""
        self.records_waiting = 0
        """Records to be drained, of those counted: see `count`."""
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._segments: deque[Segment] = deque()
        self._uncounted: deque[Segment] = deque()
        self._writer: int | None = None
        """The newest segment's descriptor, while it is written to."""
        self._last_number = 0

    @classmethod
    def lock(cls, directory: Path, segment_bytes: int = SEGMENT_BYTES) -> Self | None:
        """A slot, with what was left in it; None while another process has it."""
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            slot = cls(directory, lock, segment_bytes)
            slot._load()
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError:
            os.close(lock)
            raise
        return slot

    def _load(self) -> None:
        number, drained = self._read_progress()
        self._last_number = number
        for path in _segment_files(self.directory):
            segment = Segment(path, path.stat().st_size)
            if segment.number == number:
                segment.drained = min(drained, segment.size)
            self._last_number = max(self._last_number, segment.number)
            if segment.number < number or not segment.waiting:
                # Drained before; its deletion did not happen, or was not there yet on the disk.
                _remove(segment)
            else:
                self._segments.append(segment)
        self._uncounted = deque(self._segments)
        self._measure()

    def _measure(self) -> None:
        self.bytes_waiting = sum(segment.waiting for segment in self._segments)

    def count(self) -> bool:
        """Count the records of one segment that was found here; whether more are to be counted."""
        if self._uncounted:
            segment = self._uncounted.popleft()
            try:
                self.records_waiting += segment.count()
            except OSError as error:
                log.error("%s: cannot be read: %s", segment.path, error.strerror)
        return bool(self._uncounted)

    def append(self, records: Sequence[bytes]) -> None:
        """Write records behind all others; they are on disk when it returns.

        When it raises they are not in the slot.
        """
        data = b"".join(map(framed, records))
        if self._writer is None or self._segments[-1].size >= self._segment_bytes:
            self._begin_segment()
        assert self._writer is not None
        segment = self._segments[-1]
        try:
            _write(self._writer, data)
            os.fsync(self._writer)
        except OSError:
            self._abandon(segment)
            raise
        segment.size += len(data)
        self.records_waiting += len(records)
        self._measure()

    def _begin_segment(self) -> None:
        self._close_writer()
        # Later than every one before it, even when the clock was set back: a number that came
        # again would meet the progress of the other.
        number = max(time.time_ns(), self._last_number + 1)
        path = self.directory / f"{number:0{_DIGITS}d}{SUFFIX}"
        writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            # A file whose name is not on disk is lost with all that is in it.
            sync_directory(self.directory)
        except OSError:
            os.close(writer)
            path.unlink()
            raise
        self._writer, self._last_number = writer, number
        self._segments.append(Segment(path, 0))

    def _abandon(self, segment: Segment) -> None:
        """Write to this segment no more: what a failed write or fsync left at its end is unknown,
        and asking fsync again would not tell (it reports an error once)."""
        assert self._writer is not None
        try:
            os.ftruncate(self._writer, segment.size)
        except OSError as error:
            # Then the rest is read after a restart: whole records were asked for again by
            # Twilio, and are repeats; a torn one is dropped.
            log.warning("%s: not cut to what is certain: %s", segment.path, error.strerror)
        self._close_writer()
        if not segment.size:
            _remove(self._segments.pop())

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            os.close(writer)

    def read(self) -> list[Record]:
        """The next records that wait, all of one segment, oldest first; none when there are none.

        They come again until `advance` is told that they are drained.
        """
        while self._segments:
            if records := self._segments[0].read():
                return records
            # Its last bytes were no record, so that it is drained without one.
            self._advance(self._segments[0].size)
        return []

    def advance(self, records: Sequence[Record]) -> None:
        """What `read` returned last is drained, and is not wanted again."""
        self.records_waiting -= len(records)
        self._advance(records[-1].end)

    def set_aside(self) -> None:
        """Keep the file of what `read` returned last, for a person, when it is drained."""
        self._segments[0].damaged = True

    def _advance(self, drained: int) -> None:
        segment = self._segments[0]
        segment.drained = drained
        try:
            # Not synced: after a power cut some records may be drained once more, which is only
            # a repeat. What is said here was on disk before it was read, so that no progress is
            # ever beyond what there is to drain.
            self._write_progress(segment.number, drained)
        except OSError as error:
            log.warning("%s: progress not written: %s", self.directory, error.strerror)
        if not segment.waiting:
            if len(self._segments) == 1:
                self._close_writer()
            _remove(self._segments.popleft())
        self._measure()

    def _read_progress(self) -> tuple[int, int]:
        try:
            data = (self.directory / "progress").read_bytes()
        except FileNotFoundError:
            return 0, 0
        body, checksum = data[:-4], data[-4:]
        if len(body) != _PROGRESS.size or crc32(body).to_bytes(4, "big") != checksum:
            log.warning("%s: its progress is unreadable: all is drained again", self.directory)
            return 0, 0
        number, drained = _PROGRESS.unpack(body)
        return number, drained

    def _write_progress(self, number: int, drained: int) -> None:
        body = _PROGRESS.pack(number, drained)
        path = self.directory / "progress"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, body + crc32(body).to_bytes(4, "big"), 0)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let another process have it."""
        self._close_writer()
        os.close(self._lock)


def lock_any(directory: Path, held: Container[Path] = ()) -> Slot:
    """A slot that no process has, with whatever it holds. Raises OSError when there is none."""
    for number in range(SLOTS_MAX):
        path = directory / f"slot-{number}"
        if path not in held and (slot := Slot.lock(path)):
            return slot
    raise OSError(f"all {SLOTS_MAX} slots of {directory} are in use")


def lock_abandoned(directory: Path, held: Container[Path]) -> Iterator[Slot]:
    """The slots that hold records and no process has: those of workers that died."""
    for path in sorted(directory.glob("slot-*")):
        if path in held or not _segment_files(path):
            continue
        try:
            slot = Slot.lock(path)
        except OSError as error:
            log.error("%s: cannot be taken over: %s", path, error.strerror)
            continue
        if slot is not None and slot.bytes_waiting:
            yield slot
        elif slot is not None:
            slot.release()


def make_directory(directory: Path) -> None:
    """Make a directory, for this account alone, that is still there after a power cut."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("[0-9]" * _DIGITS + SUFFIX))


def _remove(segment: Segment) -> None:
    try:
        segment.remove()
    except OSError as error:
        # It is below the progress, and goes when the slot is next loaded.
        log.warning("%s: not removed: %s", segment.path, error.strerror)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
