"""Consecutive records of one partition, on their way through the batch loop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from db.positions import Claim, Partition
from schemas.cloudevents import Incoming
from schemas.errors import InvalidRecord
from workers.ingest.transport import KafkaRecord


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

    def joined(self, following: "Segment") -> "Segment":
        """Itself and the one that follows in its partition."""
        return replace(
            self,
            end=following.end,
            records=self.records + following.records,
            events=self.events + following.events,
        )

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


def joined(segments: Iterable[Segment]) -> list[Segment]:
    """Segments in order; one that goes on where its partition's last one ends is joined to it."""
    found: list[Segment] = []
    last: dict[Partition, int] = {}
    for segment in segments:
        place = last.get(segment.partition)
        if place is not None and found[place].end == segment.start:
            found[place] = found[place].joined(segment)
        else:
            last[segment.partition] = len(found)
            found.append(segment)
    return found


def records_of(
    segments: Iterable[Segment],
) -> Iterator[tuple[KafkaRecord, Incoming[Any] | InvalidRecord]]:
    """All records with their events, in order."""
    for segment in segments:
        yield from zip(segment.records, segment.events, strict=True)


def are_dead(segments: Iterable[Segment]) -> list[bool]:
    """Of each record, whether it is to be dead-lettered."""
    return [isinstance(event, InvalidRecord) for segment in segments for event in segment.events]
