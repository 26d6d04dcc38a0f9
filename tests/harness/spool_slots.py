"""Slots of the spool on a real disk, and records to put into them."""

from pathlib import Path

from hypothesis import strategies as st

from workers.webhooks.spool.slot import Slot

RECORDS = st.lists(st.binary(max_size=300).map(lambda data: data + b"."), min_size=1, max_size=8)
"""Lists of records. None ends in a zero, so that zeros in place of its end do not repair it."""


def locked(directory: Path, segment_bytes: int = 1024) -> Slot:
    """A slot, locked by this process."""
    slot = Slot.lock(directory, segment_bytes)
    assert slot is not None
    return slot


def drained(slot: Slot) -> list[bytes]:
    """All records that wait, drained."""
    found = []
    while records := slot.read():
        found += [record.data for record in records]
        slot.advance(records)
    return found


def segments(directory: Path) -> list[Path]:
    """The files of a slot's segments, in order."""
    return sorted(directory.glob("*.segment"))
