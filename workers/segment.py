"""Consecutive records of one partition, on their way through the batch loop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from db.positions import Claim, Partition
from schemas.cloudevents import Incoming
from schemas.errors import InvalidRecord
from workers.transport import KafkaRecord


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive records of one partition, decoded or known to be invalid."""

    partition: Partition
    start: int
    """The position before it."""
    end: int
    """The position after it."""
    records: list[KafkaRecord]
    events: list[Incoming[Any] | InvalidRecord]

    def claim(self) -> Claim:
        """What has to be claimed to apply it."""
        return Claim(*self.partition, self.start, self.end)

    def cut(self, count: int) -> tuple["Segment", "Segment"]:
        """Its first `count` records, and the others."""
        middle = self.records[count - 1].offset + 1
        return (
            replace(self, end=middle, records=self.records[:count], events=self.events[:count]),
            replace(self, start=middle, records=self.records[count:], events=self.events[count:]),
        )

    def after(self, position: int) -> "Segment":
        """What of it lies at or after a position."""
        count = sum(record.offset < position for record in self.records)
        return replace(
            self, start=position, records=self.records[count:], events=self.events[count:]
        )


def records_of(
    segments: Iterable[Segment],
) -> Iterator[tuple[KafkaRecord, Incoming[Any] | InvalidRecord]]:
    """All records with their events, in order."""
    for segment in segments:
        yield from zip(segment.records, segment.events, strict=True)


def are_dead(segments: Iterable[Segment]) -> list[bool]:
    """Of each record, whether it is to be dead-lettered."""
    return [isinstance(event, InvalidRecord) for segment in segments for event in segment.events]
