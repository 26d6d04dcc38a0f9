"""Observations of workers, written to a file at once: unlike metrics, they survive a worker.

Each line reports that a counter of workers/process/metrics.py was raised, or that a worker reached
a point at which it has to die or freeze.
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
        "inbox_gone_assignees_unassigned",
        "inbox_spooled",
        "inbox_drained",
        "inbox_sends_settled",
        "inbox_stray_receipts",
        "inbox_retries",
    }
)
"""The counters whose rise shows that a fault had an effect."""


class Observation(msgspec.Struct, frozen=True):
    """One observation of a worker."""

    at: float
    """Seconds since 1970."""
    worker: str
    what: str
    """The name of a counter, or `point`."""
    label: str
    """The last label of the counter, or the name of the point."""
    count: float


class ObservationWriter:
    """Writes the observations of one worker."""

    def __init__(self, file: Path, worker: str) -> None:
        self._worker = worker
        # A short line is written in one piece to a file opened like this, even if several processes
        # write to it.
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, what: str, label: str, count: float = 1) -> None:
        """Write an observation. It is in the file even if this process is killed right after it."""
        observation = Observation(time.time(), self._worker, what, label, float(count))
        os.write(self._file, msgspec.json.encode(observation) + b"\n")

    def follow_counters(self) -> None:
        """Write an observation whenever one of the counters is raised."""
        inc = prometheus_client.Counter.inc

        def followed(counter: Any, amount: float = 1, exemplar: Any = None) -> None:
            if amount and counter._name in COUNTERS:
                self.write(counter._name, (counter._labelvalues or ("",))[-1], amount)
            inc(counter, amount, exemplar)

        setattr(prometheus_client.Counter, "inc", followed)  # noqa: B010  # it has another type


def read(file: Path) -> list[Observation]:
    """Returns all observations, in order."""
    if not file.exists():
        return []
    decoder = msgspec.json.Decoder(Observation)
    lines = file.read_bytes().splitlines(keepends=True)
    return [decoder.decode(line) for line in lines if line.endswith(b"\n")]


def totals(observations: list[Observation]) -> Counter[tuple[str, str]]:
    """Returns the sum of the counts by what was observed and label."""
    counted: Counter[tuple[str, str]] = Counter()
    for each in observations:
        counted[each.what, each.label] += int(each.count)
    return counted
