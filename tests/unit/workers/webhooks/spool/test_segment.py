"""Segments that were torn or damaged: no other record is lost, and the file is kept."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.spool_slots import RECORDS, drained, locked, segments
from workers.webhooks.spool.frames import framed
from workers.webhooks.spool.segment import READ_BYTES_MAX


@settings(max_examples=50)
@given(RECORDS, st.data())
def test_a_torn_record_is_dropped_and_all_before_it_are_kept(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("slot")
    slot = locked(directory, segment_bytes=10**6)
    slot.append(records)
    slot.release()
    [path] = segments(directory)
    written = path.read_bytes()
    cut = data.draw(st.integers(0, len(written)))
    zeros = data.draw(st.sampled_from([0, 1, 5000]))
    path.write_bytes(written[:cut] + bytes(zeros))

    ends, end = [], 0
    for record in records:
        end += len(framed(record))
        ends.append(end)
    whole = sum(end <= cut for end in ends)
    taken = locked(directory)
    taken.append([b"behind"])
    assert drained(taken) == [*records[:whole], b"behind"]
    assert (segments(directory), taken.bytes_waiting) == ([], 0)
    taken.release()


@settings(max_examples=50)
@given(st.data())
def test_a_damaged_record_hides_no_other_and_its_file_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("slot")
    slot = locked(directory)
    records = [b"record %d" % number * 9 for number in range(8)]
    slot.append(records)
    slot.release()
    [path] = segments(directory)
    written = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(written) - len(framed(records[-1])) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(written)

    taken = locked(directory)
    found = drained(taken)
    damaged = place // len(framed(records[0]))
    assert found == records[:damaged] + records[damaged + 1 :]
    assert path.with_suffix(".damaged").read_bytes() == written
    assert segments(directory) == []
    taken.release()


def test_a_large_hole_is_passed_over(tmp_path: Path) -> None:
    slot = locked(tmp_path, segment_bytes=10**7)
    slot.append([b"before", b"x" * 100_000, b"after"])
    slot.release()
    [path] = segments(tmp_path)
    written = path.read_bytes()
    first = len(framed(b"before"))
    hole = bytes(3 * READ_BYTES_MAX + 17)
    path.write_bytes(written[:first] + hole + written[first:])
    taken = locked(tmp_path)
    assert drained(taken) == [b"before", b"x" * 100_000, b"after"]
