"""How a record stands in a file of the spool: marked, measured and summed, so that damage shows."""

import struct
from typing import NamedTuple
from zlib import crc32

MARK = b"\xf5spl"
"""0xF5 is in no UTF-8 text, so that looking for the next record seldom finds anything else."""

RECORD_BYTES_MAX = 128 * 1024

_HEAD = struct.Struct(">4sII")
"""The mark, the record's length in bytes, its checksum."""

FRAME_BYTES_MAX = _HEAD.size + RECORD_BYTES_MAX


class Frame(NamedTuple):
    """A record, and where it stands in the bytes that were searched."""

    record: bytes
    start: int
    end: int


def framed(record: bytes) -> bytes:
    """A record of 1 byte to RECORD_BYTES_MAX as it is written. Raises ValueError for another."""
    if not 1 <= len(record) <= RECORD_BYTES_MAX:
        raise ValueError(f"a record of {len(record)} bytes")
    return _HEAD.pack(MARK, len(record), _checksum(record)) + record


def next_frame(data: bytes, start: int = 0) -> Frame | None:
    """The first whole record at a place or after it; None when there is none."""
    while (start := data.find(MARK, start)) >= 0:
        if frame := _frame_at(data, start):
            return frame
        start += 1
    return None


def _frame_at(data: bytes, start: int) -> Frame | None:
    begin = start + _HEAD.size
    if begin > len(data):
        return None
    _, length, checksum = _HEAD.unpack_from(data, start)
    end = begin + length
    if not 1 <= length <= RECORD_BYTES_MAX or end > len(data):
        return None
    record = data[begin:end]
    return Frame(record, start, end) if _checksum(record) == checksum else None


def _checksum(record: bytes) -> int:
    # The length counts too: a cut that happens to fit must not pass.
    return crc32(record, len(record))
