"""A segment of the spool: a file of records that is appended to, then drained, then deleted."""

import logging
import os
from pathlib import Path
from typing import NamedTuple

from workers.webhooks.spool.frames import FRAME_BYTES_MAX, next_frame

log = logging.getLogger(__name__)

SUFFIX, DAMAGED_SUFFIX = ".segment", ".damaged"

READ_BYTES_MAX = 512 * 1024
"""Bytes that one read returns at most. The largest record always fits."""


class SpoolRecord(NamedTuple):
    """A record that waits in a segment."""

    data: bytes
    end: int
    """The position in the segment after it."""


class Segment:
    """One file. All methods use the disk, and raise OSError."""

    def __init__(self, path: Path, size: int, drained: int = 0) -> None:
        self.path = path
        self.number = int(path.stem)
        """Later segments have larger numbers, and no number is used twice."""
        self.size = size
        """Bytes that are certainly on disk: no byte after them is read."""
        self.drained = drained
        """Bytes at the start that are drained."""
        self.damaged = False
        """Whether a part of it could not be read."""

    @property
    def waiting(self) -> int:
        """Bytes that are not drained yet."""
        return self.size - self.drained

    def count(self) -> int:
        """How many readable records wait."""
        count, at = 0, self.drained
        while at < self.size:
            records, at, _ = self._scan(at)
            count += len(records)
        return count

    def read(self) -> list[SpoolRecord]:
        """The next records that wait; an empty list when there are none.

        Bytes that are no record are skipped. At the end of a file they are the rest of a write
        that a crash interrupted, and that was never confirmed to anybody. Elsewhere the disk lost
        something: then `remove` keeps the file, so that a person can look at it.
        """
        while self.waiting:
            records, after, damaged = self._scan(self.drained)
            if damaged:
                self.damaged = True
                log.error("%s: %d damaged bytes are passed over", self.path, damaged)
            if records:
                return records
            if after == self.size and not damaged:
                log.warning(
                    "%s: its last %d bytes are no whole record, and dropped",
                    self.path,
                    self.waiting,
                )
            self.drained = after
        return []

    def _scan(self, at: int) -> tuple[list[SpoolRecord], int, int]:
        """Read at a position.

        Returns the records, the position after them, and how many bytes before or between them
        are no record.
        """
        data = self._read_bytes(at)
        records: list[SpoolRecord] = []
        done = damaged = 0
        while frame := next_frame(data, done):
            damaged += frame.start - done
            done = frame.end
            records.append(SpoolRecord(frame.record, at + done))
        if records:
            return records, at + done, damaged
        if len(data) < READ_BYTES_MAX or at + len(data) == self.size:
            return records, self.size, damaged
        # No record in a full read: the next one may begin just before its end.
        skipped = len(data) - FRAME_BYTES_MAX
        return records, at + skipped, skipped

    def _read_bytes(self, at: int) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            # Never read beyond the bytes that are certainly on disk.
            return os.pread(descriptor, min(READ_BYTES_MAX, self.size - at), at)
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Delete the file, or rename it when a part of it could not be read."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(DAMAGED_SUFFIX))
        else:
            self.path.unlink(missing_ok=True)
