"""The directory of the spool: which slots a process may take, by the prefix of its topics.

A slot says in the file `prefix` whose webhooks it holds. A worker of another prefix does not know
their channels, so it would dead-letter all of them. A slot of a version before 0.3.0 says nothing:
`lock_abandoned` returns it, and its user has to find out whose it is.
"""

import logging
from collections.abc import Container, Iterator
from pathlib import Path

from workers.webhooks.spool.slot import SLOTS_MAX, Slot, segment_files, sync_directory

log = logging.getLogger(__name__)


def lock_any(directory: Path, prefix: str) -> Slot:
    """Lock the first free slot, and label it.

    A slot with records is taken only if it has this prefix. Raises OSError.
    """
    for number in range(SLOTS_MAX):
        slot = Slot.lock(directory / f"slot-{number}")
        if slot is None:
            continue
        if slot.prefix == prefix or not slot.bytes_waiting:
            if slot.prefix != prefix:
                slot.label(prefix)
            return slot
        slot.release()
    raise OSError(f"all {SLOTS_MAX} slots of {directory} are in use")


def lock_abandoned(directory: Path, passed_over: Container[Path]) -> Iterator[Slot]:
    """Lock the slots that have records but no process: those of dead workers, of any prefix."""
    for path in sorted(directory.glob("slot-*")):
        if path in passed_over or not segment_files(path):
            continue
        try:
            slot = Slot.lock(path)
        except OSError as error:
            log.error("%s: cannot be taken over: %s", path, error.strerror)
            continue
        if slot is not None and slot.bytes_waiting:
            yield slot
        elif slot is not None:
            slot.release()


def make_directory(directory: Path) -> None:
    """Make a directory that only this user can read, and that survives a power cut."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_directory(path.parent)
