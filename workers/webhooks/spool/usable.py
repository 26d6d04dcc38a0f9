"""Whether the spool's directory can be used at all: asked before a worker takes webhooks.

A full disk, or one that fails, passes. A worker then starts all the same, takes webhooks while
Kafka is there, and drains what it has. But what only a person can repair is told at the start, not
in the next outage.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workers.webhooks.spool.directory import make_directory

REPAIRED_BY_A_PERSON = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    # Some network file systems have no locks.
    errno.ENOLCK,
    errno.ENOTSUP,
}
"""Errors that neither time nor free space removes."""


def unusable(directory: Path) -> str | None:
    """Try the spool's directory. Returns what is wrong with it; None if nothing is."""
    try:
        make_directory(directory)
        with tempfile.TemporaryFile(dir=directory) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in REPAIRED_BY_A_PERSON:
            return None
        return _told(directory, error.strerror or "")
    for path, mode in _left_behind(directory):
        # Another worker may have removed it meanwhile.
        if not os.access(path, mode) and os.access(path, os.F_OK):
            return _told(path, os.strerror(errno.EACCES))
    return None


def _left_behind(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield the slots and their files, which another user may have left, and how they are used."""
    for slot in sorted(directory.glob("slot-*")):
        yield slot, os.R_OK | os.W_OK | os.X_OK
        for file in sorted(slot.glob("*")):
            yield file, os.R_OK | os.W_OK


def _told(path: Path, reason: str) -> str:
    return f"user {os.geteuid()} cannot use {path}: {reason}"
