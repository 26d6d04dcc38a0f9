"""What only a person can repair is told; a disk that is full or fails is not in the way."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from workers.webhooks.spool.directory import lock_any
from workers.webhooks.spool.slot import Slot
from workers.webhooks.spool.usable import unusable


def test_a_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "spool"
    assert unusable(directory) is None
    assert list(directory.iterdir()) == []


def test_slots_of_other_workers_are_in_nobodys_way(tmp_path: Path) -> None:
    slot = lock_any(tmp_path, "inbox.")
    slot.append([b"a webhook"])
    assert unusable(tmp_path) is None
    assert isinstance(slot, Slot)
    slot.release()


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("no directory")
    user = f"user {os.geteuid()} cannot use"
    assert unusable(file / "spool") == f"{user} {file / 'spool'}: Not a directory"
    assert unusable(file) == f"{user} {file}: File exists"


def test_a_link_that_leads_nowhere_or_in_a_circle_is_told(tmp_path: Path) -> None:
    nowhere, circle = tmp_path / "nowhere", tmp_path / "circle"
    nowhere.symlink_to(tmp_path / "not there")
    circle.symlink_to(circle)
    assert "File exists" in str(unusable(nowhere))
    assert "levels of symbolic links" in str(unusable(circle / "spool"))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, True),
        (errno.EROFS, True),
        (errno.ENOLCK, True),
        (errno.ENOSPC, False),
        (errno.EDQUOT, False),
        (errno.EIO, False),
    ],
    ids=errno.errorcode.get,
)
def test_only_what_does_not_pass_by_itself_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: bool
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    assert (unusable(tmp_path) is not None) == told


def test_what_another_user_left_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = lock_any(tmp_path, "inbox.")
    slot.append([b"a webhook"])
    slot.release()
    segment = next((tmp_path / "slot-0").glob("*.segment"))
    # Root may use every file, so a test cannot take the right away.
    theirs = {segment}
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK or path not in theirs)
    assert str(unusable(tmp_path)).endswith(f"cannot use {segment}: Permission denied")
