"""Frames of records: they are read as they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.spool_slots import RECORDS
from workers.webhooks.spool.frames import RECORD_BYTES_MAX, framed, next_frame


@given(RECORDS, st.binary(max_size=20))
def test_frames_are_read_as_they_were_written(records: list[bytes], tail: bytes) -> None:
    data = b"".join(map(framed, records)) + tail
    at, found = 0, []
    while frame := next_frame(data, at):
        found.append(frame.record)
        at = frame.end
    assert found == records


@pytest.mark.parametrize("record", [b"", b"x" * (RECORD_BYTES_MAX + 1)], ids=["empty", "large"])
def test_a_record_that_could_not_be_read_is_not_framed(record: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        framed(record)
