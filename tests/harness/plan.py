"""The plan of a run of pytest: its files, the longest first, and about how long they take."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

SECONDS_OF_A_TEST = {
    "unit": 0.02,
    "simulation": 1.0,
    "integration": 1.0,
    "e2e": 4.0,
    "faults": 10.0,
}
"""How long a test takes, by folder of tests/, where its file has no marker `seconds`."""


class File(msgspec.Struct):
    """A file of tests."""

    tests: int
    seconds: float
    busy: bool


class Plan(msgspec.Struct):
    """What a run will pass."""

    files: dict[str, File]
    """By path, in the order in which they begin."""
    needs_kafka: bool
    """Whether a test uses the fixture `kafka`."""

    @property
    def tests(self) -> int:
        """The number of tests."""
        return sum(file.tests for file in self.files.values())

    def minutes(self, processes: int) -> float:
        """About how long the run takes, where one process passes all busy files."""
        busy = sum(file.seconds for file in self.files.values() if file.busy)
        every = sum(file.seconds for file in self.files.values())
        return max(every / processes, busy) / 60

    def write(self, file: Path) -> None:
        """Write the plan for another process."""
        file.write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, file: Path) -> "Plan":
        """Read the plan of another process."""
        return msgspec.json.decode(file.read_bytes(), type=cls)


def file_of(nodeid: str) -> str:
    """Returns the path of a test's file, from the root of the project."""
    return nodeid.partition("::")[0]


def make_plan(items: Sequence[pytest.Item]) -> Plan:
    """Returns the plan of tests, in their order."""
    files: dict[str, File] = {}
    for item in items:
        path, marker = file_of(item.nodeid), item.get_closest_marker("seconds")
        file = files.setdefault(path, File(tests=0, seconds=0, busy=False))
        file.tests += 1
        file.busy |= item.get_closest_marker("busy") is not None
        if marker:
            file.seconds = marker.args[0]
        else:
            file.seconds += SECONDS_OF_A_TEST[path.split("/")[1]]
    return Plan(files, any("kafka" in getattr(item, "fixturenames", ()) for item in items))


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Returns the tests, file by file: a long file must not begin when all others have ended."""
    files = make_plan(items).files
    places = {path: place for place, path in enumerate(files)}

    def order(item: pytest.Item) -> tuple[float, int]:
        path = file_of(item.nodeid)
        return -files[path].seconds, places[path]

    return sorted(items, key=order)
