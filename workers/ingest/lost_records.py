"""Says which records Kafka deleted before a worker read them.

Retention deletes records whether they were read or not. The fetcher then finds that its position
is before the beginning of the log. The transport delivers what was between as a poll without
records, so that the position moves past the loss in its turn, and exactly one worker says so.
"""

import logging
from collections.abc import Iterable

from workers.ingest.partition_slice import PartitionSlice
from workers.process import metrics

log = logging.getLogger(__name__)


def say_lost(topic: str, slices: Iterable[PartitionSlice]) -> None:
    """Log and count the losses among slices that were applied.

    `topic` is the name without the prefix. The number is an upper bound: markers of transactions,
    and records of aborted ones, have offsets too.
    """
    for slice_ in slices:
        if slice_.lost:
            number = slice_.end - slice_.start
            metrics.LOST_RECORDS.labels(topic).inc(number)
            log.error(
                "%s[%d]: up to %d records are lost, offsets %d to %d: Kafka deleted them before a "
                "worker read them. What they said has to be published again",
                *(*slice_.partition, number, slice_.start, slice_.end - 1),
            )
