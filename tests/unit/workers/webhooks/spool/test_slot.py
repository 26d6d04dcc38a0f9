"""A slot of the spool on a real disk: what was written is there, whatever was torn or broken."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.webhooks.spool.frames import RECORD_BYTES_MAX, framed, next_frame
from workers.webhooks.spool.segment import WINDOW_BYTES
from workers.webhooks.spool.slot import Slot, lock_abandoned, lock_any, make_directory

# None ends in a zero, so that zeros in place of a part make no record whole again.
RECORDS = st.lists(st.binary(max_size=300).map(lambda data: data + b"."), min_size=1, max_size=8)


def locked(directory: Path, segment_bytes: int = 1024) -> Slot:
    """A slot that nobody else has."""
    slot = Slot.lock(directory, segment_bytes)
    assert slot is not None
    return slot


def drained(slot: Slot) -> list[bytes]:
    """All that waits, drained."""
    found = []
    while records := slot.read():
        found += [record.data for record in records]
        slot.advance(records)
    return found


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.segment"))


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    """A disk that takes no more: writes beyond the limit, in bytes, fail in the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


def test_records_come_in_order_over_many_segments_which_are_then_gone(tmp_path: Path) -> None:
    slot = locked(tmp_path)
    records = [b"%d" % number * 50 for number in range(200)]
    for start in range(0, 200, 7):
        slot.append(records[start : start + 7])
    assert len(segments(tmp_path)) > 5
    assert slot.records_waiting == 200
    assert slot.bytes_waiting == sum(path.stat().st_size for path in segments(tmp_path))
    assert drained(slot) == records
    assert (slot.records_waiting, slot.bytes_waiting) == (0, 0)
    assert segments(tmp_path) == []

    slot.append([b"again"])
    assert drained(slot) == [b"again"]


def test_what_is_read_comes_again_until_it_is_drained(tmp_path: Path) -> None:
    slot = locked(tmp_path)
    slot.append([b"one", b"two"])
    first = slot.read()
    slot.append([b"three"])
    assert [record.data for record in first] == [b"one", b"two"]
    assert [record.data for record in slot.read()] == [b"one", b"two", b"three"]
    slot.advance(first)
    assert [record.data for record in slot.read()] == [b"three"]


def test_another_process_goes_on_where_the_first_one_was(tmp_path: Path) -> None:
    slot = locked(tmp_path)
    records = [b"%03d" % number * 100 for number in range(60)]
    for record in records:
        slot.append([record])
    for _ in range(3):
        slot.advance(slot.read()[:1])
    assert Slot.lock(tmp_path) is None
    slot.release()

    taken = locked(tmp_path)
    while taken.count():
        pass
    assert taken.records_waiting == 57
    assert taken.bytes_waiting == slot.bytes_waiting
    taken.append([b"behind"])
    assert drained(taken) == [*records[3:], b"behind"]
    taken.release()
    assert locked(tmp_path).bytes_waiting == 0


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
    hole = bytes(3 * WINDOW_BYTES + 17)
    path.write_bytes(written[:first] + hole + written[first:])
    taken = locked(tmp_path)
    assert drained(taken) == [b"before", b"x" * 100_000, b"after"]


@pytest.mark.parametrize("progress", [b"", b"x" * 20, bytes(20)], ids=["empty", "torn", "zeros"])
def test_progress_that_is_lost_drains_all_once_more(tmp_path: Path, progress: bytes) -> None:
    slot = locked(tmp_path)
    slot.append([b"one", b"two"])
    slot.advance(slot.read()[:1])
    slot.release()
    (tmp_path / "progress").write_bytes(progress)
    assert drained(locked(tmp_path)) == [b"one", b"two"]


def test_a_segment_whose_deletion_was_undone_is_not_drained_again(tmp_path: Path) -> None:
    slot = locked(tmp_path, segment_bytes=1)
    slot.append([b"one"])
    slot.append([b"two"])
    first, second = segments(tmp_path)
    kept = first.read_bytes()
    slot.advance(slot.read())
    slot.advance(slot.read())
    assert not first.exists()
    assert not second.exists()
    slot.release()
    first.write_bytes(kept)
    again = locked(tmp_path)
    assert drained(again) == []
    assert not first.exists()
    # And no new segment is taken for one that was drained.
    again.append([b"three"])
    assert int(segments(tmp_path)[0].stem) > int(second.stem)
    assert drained(again) == [b"three"]


def test_a_disk_that_takes_no_more_takes_nothing_of_a_write(tmp_path: Path) -> None:
    slot = locked(tmp_path, segment_bytes=10**6)
    slot.append([b"before"])
    with files_no_larger_than(4096):
        for _ in range(3):
            with pytest.raises(OSError, match="too large"):
                slot.append([b"x" * 3000, b"y" * 3000])
    assert slot.records_waiting == 1
    slot.append([b"after"])
    slot.release()
    # Not after a restart either, and the failed writes left no files behind.
    assert len(segments(tmp_path)) == 2
    assert drained(locked(tmp_path)) == [b"before", b"after"]


def test_a_full_disk_can_be_drained(tmp_path: Path) -> None:
    slot = locked(tmp_path, segment_bytes=1)
    slot.append([b"one"])
    slot.append([b"two"])
    with files_no_larger_than(0):
        assert drained(slot) == [b"one", b"two"]
    assert segments(tmp_path) == []


def test_processes_that_share_a_directory_have_a_slot_each(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "spool"
    make_directory(directory)
    make_directory(directory)
    first, second = lock_any(directory), lock_any(directory)
    assert [slot.directory.name for slot in (first, second)] == ["slot-0", "slot-1"]
    first.append([b"of the first"])
    assert list(lock_abandoned(directory, {second.directory})) == []

    first.release()
    [taken] = lock_abandoned(directory, {second.directory})
    assert drained(taken) == [b"of the first"]
    taken.release()
    # What is empty is left to whoever starts next.
    assert list(lock_abandoned(directory, {second.directory})) == []
    assert lock_any(directory, {second.directory}).directory == first.directory


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.segment").write_text("not ours")
    slot = locked(tmp_path)
    slot.append([b"one"])
    assert drained(slot) == [b"one"]
    assert (tmp_path / "notes.segment").exists()


def test_nobody_else_may_read_what_waits(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    make_directory(directory)
    slot = lock_any(directory)
    slot.append([b"between you and me"])
    paths = [directory, slot.directory, *slot.directory.iterdir()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)
