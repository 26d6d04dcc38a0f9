"""A slot of the spool: a directory of segments that one process at a time writes to and drains.

A slot's lock is the kernel's (flock), so it is released whenever and however its process ends. The
process that has the lock is responsible for the records in the slot. All functions use the disk,
and raise OSError.
"""

import fcntl
import logging
import os
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self
from zlib import crc32

from workers.webhooks.spool.frames import framed
from workers.webhooks.spool.segment import SUFFIX, Segment, SpoolRecord

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment that is larger gets no more records; the next segment is begun."""

SLOTS_MAX = 256
"""Processes that can share a directory."""

LABEL = "prefix"
"""The name of the file with the prefix of the topics."""

_DIGITS = 20
"""Digits of a segment's number in the name of its file."""

_PROGRESS = struct.Struct(">QQ")
"""The number of the segment that is being drained, and how many bytes of it are drained."""


class Slot:
    """A directory of segments that this process has locked. Use it from one thread at a time."""

    def __init__(self, directory: Path, lock: int, segment_bytes: int) -> None:
        self.directory = directory
        self.bytes_waiting = 0
        """Bytes that are not drained yet. Any thread may read this."""
        self.records_waiting = 0
        """Counted records that are not drained yet, see `count`."""
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._segments: deque[Segment] = deque()
        self._uncounted: deque[Segment] = deque()
        self._writer: int | None = None
        """The newest segment's descriptor, while it is written to."""
        self._last_number = 0

    @classmethod
    def lock(cls, directory: Path, segment_bytes: int = SEGMENT_BYTES) -> Self | None:
        """Lock a slot, and load the records that wait in it; None while another process has it."""
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
        for path in segment_files(self.directory):
            segment = Segment(path, path.stat().st_size)
            if segment.number == number:
                segment.drained = min(drained, segment.size)
            self._last_number = max(self._last_number, segment.number)
            if segment.number < number or not segment.waiting:
                # It is drained, but its deletion did not happen, or did not reach the disk.
                _remove(segment)
            else:
                self._segments.append(segment)
        self._uncounted = deque(self._segments)
        self._measure()

    @property
    def prefix(self) -> str | None:
        """The prefix of the topics that its records are for; None if nobody has written it."""
        try:
            return (self.directory / LABEL).read_text("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None

    def label(self, prefix: str) -> None:
        """Write the prefix of the topics that its records are for."""
        new = self.directory / f"{LABEL}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, prefix.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.rename(self.directory / LABEL)
        sync_directory(self.directory)

    def waiting(self) -> Iterator[list[SpoolRecord]]:
        """Yield all records that wait, oldest first, without draining them."""
        for segment in list(self._segments):
            copy = Segment(segment.path, segment.size, segment.drained)
            while records := copy.read():
                yield records
                copy.drained = records[-1].end

    def _measure(self) -> None:
        self.bytes_waiting = sum(segment.waiting for segment in self._segments)

    def count(self) -> bool:
        """Count the records of one segment that was loaded; True while there are more segments."""
        if self._uncounted:
            segment = self._uncounted.popleft()
            try:
                self.records_waiting += segment.count()
            except OSError as error:
                log.error("%s: cannot be read: %s", segment.path, error.strerror)
        return bool(self._uncounted)

    def append(self, records: Sequence[bytes]) -> None:
        """Write records after all others. They are on disk when this returns.

        When it raises, none of them is in the slot.
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
        # Larger than every number before, even when the clock was set back: the progress of an
        # earlier segment must not be taken for that of this one.
        number = max(time.time_ns(), self._last_number + 1)
        path = self.directory / f"{number:0{_DIGITS}d}{SUFFIX}"
        writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            # If the file's name is not on disk, a power cut loses the file with all its records.
            sync_directory(self.directory)
        except OSError:
            os.close(writer)
            path.unlink()
            raise
        self._writer, self._last_number = writer, number
        self._segments.append(Segment(path, 0))

    def _abandon(self, segment: Segment) -> None:
        """Stop writing to this segment, because a write or fsync failed.

        Nobody knows what is at its end now. A second fsync would not find out: the kernel reports
        an error only once.
        """
        assert self._writer is not None
        try:
            os.ftruncate(self._writer, segment.size)
        except OSError as error:
            # Then a restart reads the rest. Twilio sends the webhooks of whole records again, so
            # they are repeats; a torn record is dropped.
            log.warning("%s: not cut to what is certain: %s", segment.path, error.strerror)
        self._close_writer()
        if not segment.size:
            _remove(self._segments.pop())

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            os.close(writer)

    def read(self) -> list[SpoolRecord]:
        """The next records that wait, oldest first, all of one segment; an empty list if none do.

        The same records are returned until `advance` is called with them.
        """
        while self._segments:
            if records := self._segments[0].read():
                return records
            # Its last bytes are no record.
            self._advance(self._segments[0].size)
        return []

    def advance(self, records: Sequence[SpoolRecord]) -> None:
        """Note that records, the first ones that `read` returned last, are drained."""
        self.records_waiting -= len(records)
        self._advance(records[-1].end)

    def mark_damaged(self) -> None:
        """Keep the file of the records that `read` returned last, when it is drained."""
        self._segments[0].damaged = True

    def _advance(self, drained: int) -> None:
        segment = self._segments[0]
        segment.drained = drained
        try:
            # Not synced: after a power cut some records may be drained again, as repeats. They
            # were on disk before they were read, so the progress is never beyond the records.
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
        """Release the lock, so that another process can take the slot."""
        self._close_writer()
        os.close(self._lock)


def sync_directory(directory: Path) -> None:
    """Write the names of the files in a directory to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segment_files(directory: Path) -> list[Path]:
    """Returns the files of a slot's segments, the oldest first."""
    return sorted(directory.glob("[0-9]" * _DIGITS + SUFFIX))


def _remove(segment: Segment) -> None:
    try:
        segment.remove()
    except OSError as error:
        # Its records are below the progress: it is removed when the slot is loaded again.
        log.warning("%s: not removed: %s", segment.path, error.strerror)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
