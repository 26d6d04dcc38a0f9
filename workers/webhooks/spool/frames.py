"""The frame of a record in a file: a mark, the length and a checksum, so that damage is noticed."""

import struct
from typing import NamedTuple
from zlib import crc32

MARK = b"\xf5spl"
"""Begins each frame. 0xF5 is in no UTF-8 text, so a search for the mark seldom finds a text."""

RECORD_BYTES_MAX = 320 * 1024
"""A webhook's body has 256 KiB at most; the rest is room for its query and other fields."""

_HEAD = struct.Struct(">4sII")
"""The mark, the record's length in bytes, its checksum."""

FRAME_BYTES_MAX = _HEAD.size + RECORD_BYTES_MAX


class Frame(NamedTuple):
    """A record, and where its frame starts and ends in the bytes that were searched."""

    record: bytes
    start: int
    end: int


def framed(record: bytes) -> bytes:
    """The bytes of a record's frame.

    Raises ValueError for a record that is empty or longer than RECORD_BYTES_MAX.
    """
    if not 1 <= len(record) <= RECORD_BYTES_MAX:
        raise ValueError(f"a record of {len(record)} bytes")
    return _HEAD.pack(MARK, len(record), _checksum(record)) + record


def next_frame(data: bytes, start: int = 0) -> Frame | None:
    """The first whole frame that starts at `start` or later; None when there is none."""
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
    # The sum covers the length too: a damaged length must not fit by chance.
    return crc32(record, len(record))
