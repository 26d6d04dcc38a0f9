"""A slot of the spool on a real disk: every record that was written is there, in order."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.spool_slots import drained, locked, segments
from workers.webhooks.spool.directory import lock_any, make_directory
from workers.webhooks.spool.slot import Slot


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    """A full disk: the kernel refuses writes beyond the limit, in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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
    # A new segment is not taken for one that was drained.
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
    # After a restart, too, nothing of the failed writes is there, and no file of theirs.
    assert len(segments(tmp_path)) == 2
    assert drained(locked(tmp_path)) == [b"before", b"after"]


def test_a_full_disk_can_be_drained(tmp_path: Path) -> None:
    slot = locked(tmp_path, segment_bytes=1)
    slot.append([b"one"])
    slot.append([b"two"])
    with files_no_larger_than(0):
        assert drained(slot) == [b"one", b"two"]
    assert segments(tmp_path) == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.segment").write_text("not ours")
    slot = locked(tmp_path)
    slot.append([b"one"])
    assert drained(slot) == [b"one"]
    assert (tmp_path / "notes.segment").exists()


def test_nobody_else_may_read_what_waits(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    make_directory(directory)
    slot = lock_any(directory, "inbox.")
    slot.append([b"between you and me"])
    paths = [directory, slot.directory, *slot.directory.iterdir()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)
