"""A poll: the records that one fetch returned of one partition, as one Faust event carries them."""

from datetime import datetime
from typing import Any, NamedTuple

import faust
from faust.types import TP

from workers.kafka.records import KafkaRecord


class Poll(NamedTuple):
    """The records that one fetch returned of one partition, or the place of those that are lost."""

    tp: TP
    start: int
    """Where the last poll of this partition ended, or the position that was sought."""
    end: int
    """The position after the last record, past any gap that follows it."""
    records: list[KafkaRecord]
    fetched_at: datetime
    """The time of records that have none. It stays the same, however often they are tried."""
    lost: bool = False
    """Whether it has no records, because Kafka deleted them before they were read."""

    @property
    def size(self) -> int:
        """The number of records, or their KiB where that is more: what a poll costs to apply."""
        return max(len(self.records), sum(len(one.value or b"") for one in self.records) // 1024)


class PollSchema(faust.Schema[Any, Any]):
    """Passes polls through Faust undecoded."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        return message.value
