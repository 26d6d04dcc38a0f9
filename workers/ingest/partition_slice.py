"""A slice: consecutive records of one partition, on their way through the batch loop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from db.positions import Claim, Partition
from schemas.cloudevents import Incoming
from schemas.errors import InvalidRecord
from workers.kafka.records import KafkaRecord


@dataclass(frozen=True, slots=True)
class PartitionSlice:
    """Consecutive records of one partition, decoded or known to be invalid."""

    partition: Partition
    start: int
    """The position before it."""
    end: int
    """The position after it."""
    records: list[KafkaRecord]
    events: list[Incoming[Any] | InvalidRecord]
    lost: bool = False
    """Whether it has no records, because Kafka deleted them before they were read. One that is not
    lost may have none, too: markers of transactions have offsets."""

    def joined(self, following: "PartitionSlice") -> "PartitionSlice":
        """This slice and the one that follows it in the partition, as one slice."""
        return replace(
            self,
            end=following.end,
            records=self.records + following.records,
            events=self.events + following.events,
        )

    def claim(self) -> Claim:
        """The claim to make in the transaction that applies it."""
        return Claim(*self.partition, self.start, self.end)

    def cut(self, count: int) -> tuple["PartitionSlice", "PartitionSlice"]:
        """Cut it into its first `count` records and the others."""
        middle = self.records[count - 1].offset + 1
        return (
            replace(self, end=middle, records=self.records[:count], events=self.events[:count]),
            replace(self, start=middle, records=self.records[count:], events=self.events[count:]),
        )

    def after(self, position: int) -> "PartitionSlice":
        """The part of it that lies at or after a position."""
        count = sum(record.offset < position for record in self.records)
        return replace(
            self, start=position, records=self.records[count:], events=self.events[count:]
        )


def joined(slices: Iterable[PartitionSlice]) -> list[PartitionSlice]:
    """Join each slice to the one before it in its partition, if it starts where that one ends.

    One that is lost stays alone.
    """
    found: list[PartitionSlice] = []
    last: dict[Partition, int] = {}
    for slice_ in slices:
        place = last.get(slice_.partition)
        follows = place is not None and found[place].end == slice_.start
        if place is not None and follows and not (found[place].lost or slice_.lost):
            found[place] = found[place].joined(slice_)
        else:
            last[slice_.partition] = len(found)
            found.append(slice_)
    return found


def records_of(
    slices: Iterable[PartitionSlice],
) -> Iterator[tuple[KafkaRecord, Incoming[Any] | InvalidRecord]]:
    """All records with their events, in order."""
    for slice_ in slices:
        yield from zip(slice_.records, slice_.events, strict=True)


def are_dead(slices: Iterable[PartitionSlice]) -> list[bool]:
    """Whether each record is to be dead-lettered, in order."""
    return [isinstance(event, InvalidRecord) for slice_ in slices for event in slice_.events]
