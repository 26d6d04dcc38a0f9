"""What workers saw happen, written down at once: their metrics die with them, this does not.

Each line says that a counter of workers/process/metrics.py was raised, or that a worker reached a
point at which it was to die or freeze.
"""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import prometheus_client

COUNTERS = frozenset(
    {
        "inbox_refused_positions",
        "inbox_unknown_commits",
        "inbox_relay_restarts",
        "inbox_duplicates",
        "inbox_erased_messages",
        "inbox_spooled",
        "inbox_drained",
        "inbox_sends_settled",
        "inbox_stray_receipts",
        "inbox_retries",
    }
)
"""The counters whose rise shows that a fault did something."""


class Seen(msgspec.Struct, frozen=True):
    """Something happened."""

    at: float
    """Seconds since 1970."""
    worker: str
    what: str
    """A counter, or `point`."""
    label: str
    """The last label of the counter, or the name of the point."""
    count: float


class Observations:
    """A worker's end."""

    def __init__(self, file: Path, worker: str) -> None:
        self._worker = worker
        # A write of one short line to a file opened so is one piece, whoever else writes to it.
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, what: str, label: str, count: float = 1) -> None:
        """Write that something happened; it is there when this process is killed next."""
        seen = Seen(time.time(), self._worker, what, label, float(count))
        os.write(self._file, msgspec.json.encode(seen) + b"\n")

    def follow_counters(self) -> None:
        """Write whenever one of the counters rises."""
        inc = prometheus_client.Counter.inc

        def followed(counter: Any, amount: float = 1, exemplar: Any = None) -> None:
            if amount and counter._name in COUNTERS:
                self.write(counter._name, (counter._labelvalues or ("",))[-1], amount)
            inc(counter, amount, exemplar)

        setattr(prometheus_client.Counter, "inc", followed)  # noqa: B010  # it has another type


def read(file: Path) -> list[Seen]:
    """All that was observed, in order."""
    if not file.exists():
        return []
    decoder = msgspec.json.Decoder(Seen)
    lines = file.read_bytes().splitlines(keepends=True)
    return [decoder.decode(line) for line in lines if line.endswith(b"\n")]


def totals(seen: list[Seen]) -> Counter[tuple[str, str]]:
    """How often each thing happened, by what and label."""
    counted: Counter[tuple[str, str]] = Counter()
    for each in seen:
        counted[each.what, each.label] += int(each.count)
    return counted
