"""The commands that Kafka has and workers have not applied yet."""

from collections.abc import Mapping

from db.commands import CommandKey
from db.positions import Partition

UNAPPLIED_MAX = 50_000
"""About 20 MB. Commands beyond that are only known to be there."""


class UnappliedCommands:
    """A bounded set of commands, with the places of their records."""

    def __init__(self) -> None:
        self._places: dict[CommandKey, tuple[Partition, int]] = {}
        self._left_out: dict[Partition, int] = {}
        """The highest offset of the commands that did not fit, by partition."""

    def add(self, key: CommandKey, partition: Partition, offset: int) -> None:
        """Add the command of a record."""
        if key in self._places or len(self._places) < UNAPPLIED_MAX:
            self._places[key] = (partition, offset)
        else:
            self._left_out[partition] = offset

    def forget_applied(self, positions: Mapping[Partition, int]) -> None:
        """Forget the commands of records that are applied, by the positions of their partitions."""

        def is_left(partition: Partition, offset: int) -> bool:
            return offset >= positions.get(partition, 0)

        self._places = {key: place for key, place in self._places.items() if is_left(*place)}
        self._left_out = {
            partition: offset
            for partition, offset in self._left_out.items()
            if is_left(partition, offset)
        }

    def clear(self) -> None:
        """Forget all: the topics are read again from their positions."""
        self._places = {}
        self._left_out = {}

    def __contains__(self, key: CommandKey) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    @property
    def is_whole(self) -> bool:
        """Whether no command is left out."""
        return not self._left_out
