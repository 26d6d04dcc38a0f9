"""A segment of the spool: a file of records that is written to its end, read, and deleted."""

import logging
import os
from pathlib import Path
from typing import NamedTuple

from workers.webhooks.spool.frames import FRAME_BYTES_MAX, next_frame

log = logging.getLogger(__name__)

SUFFIX, DAMAGED_SUFFIX = ".segment", ".damaged"

WINDOW_BYTES = 256 * 1024
"""Read at once, at the most: room for many records, and for the largest in any case."""


class Record(NamedTuple):
    """A record, and where it ends in its segment."""

    data: bytes
    end: int


class Segment:
    """What is known of one file. All methods use the disk, and raise OSError."""

    def __init__(self, path: Path, size: int, drained: int = 0) -> None:
        self.path = path
        self.number = int(path.stem)
        """Later segments have larger numbers, and none comes twice."""
        self.size = size
        """Bytes that are surely on disk: nothing after them is read."""
        self.drained = drained
        """Bytes that need not be read again."""
        self.damaged = False
        """Whether a part of it could not be read."""

    @property
    def waiting(self) -> int:
        """Bytes that are to be drained."""
        return self.size - self.drained

    def count(self) -> int:
        """How many records wait, as far as they can be read."""
        count, at = 0, self.drained
        while at < self.size:
            records, at, _ = self._window(at)
            count += len(records)
        return count

    def read(self) -> list[Record]:
        """The next records that wait; none when there are no more.

        Bytes that are no record are passed over. At the end of a file they are what a crash left
        of a write that nobody was told had succeeded. Elsewhere the disk lost something: then
        the file is kept aside for a person, see `remove`.
        """
        while self.waiting:
            records, after, damaged = self._window(self.drained)
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

    def _window(self, at: int) -> tuple[list[Record], int, int]:
        """The records of the next bytes, where to go on, and the bytes between that are none."""
        data = self._bytes(at)
        records: list[Record] = []
        done = damaged = 0
        while frame := next_frame(data, done):
            damaged += frame.start - done
            done = frame.end
            records.append(Record(frame.record, at + done))
        if records:
            return records, at + done, damaged
        if len(data) < WINDOW_BYTES or at + len(data) == self.size:
            return records, self.size, damaged
        # Not one record in a full window: the next may begin just before its end.
        passed = len(data) - FRAME_BYTES_MAX
        return records, at + passed, passed

    def _bytes(self, at: int) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            # Never beyond what is surely on disk.
            return os.pread(descriptor, min(WINDOW_BYTES, self.size - at), at)
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Delete the file, or set it aside when a part of it could not be read."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(DAMAGED_SUFFIX))
        else:
            self.path.unlink(missing_ok=True)
