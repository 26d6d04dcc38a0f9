"""Which slots of a shared directory a process takes, by the prefix of its topics."""

from pathlib import Path

from tests.harness.spool_slots import drained
from workers.webhooks.spool.directory import lock_abandoned, lock_any, make_directory
from workers.webhooks.spool.slot import Slot

MINE, THEIRS = "inbox.", "theirs."


def left(directory: Path, prefix: str | None, records: list[bytes]) -> Path:
    """Leave a slot with records, as a process that died."""
    slot = Slot.lock(directory / f"slot-{len(list(directory.glob('slot-*')))}")
    assert slot is not None
    if prefix is not None:
        slot.label(prefix)
    if records:
        slot.append(records)
    slot.release()
    return slot.directory


def test_processes_that_share_a_directory_have_a_slot_each(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "spool"
    make_directory(directory)
    make_directory(directory)
    first, second = lock_any(directory, MINE), lock_any(directory, MINE)
    assert [slot.directory.name for slot in (first, second)] == ["slot-0", "slot-1"]
    first.append([b"of the first"])
    assert list(lock_abandoned(directory, {second.directory})) == []

    first.release()
    [taken] = lock_abandoned(directory, {second.directory})
    assert drained(taken) == [b"of the first"]
    taken.release()
    # An empty slot stays free for the next process.
    assert list(lock_abandoned(directory, {second.directory})) == []
    assert lock_any(directory, MINE).directory == first.directory


def test_a_slot_says_whose_webhooks_it_holds(tmp_path: Path) -> None:
    slot = lock_any(tmp_path, MINE)
    assert slot.prefix == MINE
    slot.append([b"one"])
    slot.release()
    [again] = lock_abandoned(tmp_path, ())
    assert again.prefix == MINE


def test_a_slot_with_webhooks_of_another_prefix_is_not_taken(tmp_path: Path) -> None:
    theirs, nobodys = left(tmp_path, THEIRS, [b"one"]), left(tmp_path, None, [b"two"])
    assert lock_any(tmp_path, MINE).directory == tmp_path / "slot-2"
    found = {slot.directory: slot.prefix for slot in lock_abandoned(tmp_path, ())}
    assert found == {theirs: THEIRS, nobodys: None}


def test_the_slots_of_dead_processes_of_the_same_prefix_are_taken_first(tmp_path: Path) -> None:
    directory = left(tmp_path, MINE, [b"one"])
    slot = lock_any(tmp_path, MINE)
    assert slot.directory == directory
    assert drained(slot) == [b"one"]


def test_an_empty_slot_serves_any_prefix(tmp_path: Path) -> None:
    for prefix in (THEIRS, None):
        left(tmp_path, prefix, [])
    assert [lock_any(tmp_path, MINE).prefix for _ in range(2)] == [MINE, MINE]


def test_a_label_that_a_person_wrote_may_end_with_a_line_break(tmp_path: Path) -> None:
    directory = left(tmp_path, None, [b"one"])
    (directory / "prefix").write_text(f"{MINE}\n")
    [slot] = lock_abandoned(tmp_path, ())
    assert slot.prefix == MINE


def test_what_waits_can_be_looked_at_without_draining_it(tmp_path: Path) -> None:
    slot = Slot.lock(tmp_path / "slot-0", segment_bytes=1)
    assert slot is not None
    for record in (b"one", b"two", b"three"):
        slot.append([record])
    slot.advance(slot.read())
    seen = [record.data for records in slot.waiting() for record in records]
    assert seen == [b"two", b"three"]
    assert drained(slot) == [b"two", b"three"]
