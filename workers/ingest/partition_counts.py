"""Notices when topics have more partitions, or fewer, than INBOX_PARTITIONS says.

Anybody may give a topic more partitions while workers run. Their records are read like all others,
but keys move: publishers hash them over all partitions there are. What was published before and
what is published after may be applied in another order. A person has to know.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

from workers.kafka.topic_admin import PartitionCount
from workers.process import metrics

log = logging.getLogger(__name__)

Count = Callable[[], Awaitable[Mapping[str, PartitionCount]]]

CHECK_SECONDS = 20.0
"""How often Kafka is asked."""


class PartitionCounts:
    """The numbers of partitions, as this worker knows them."""

    def __init__(self, counter: Callable[[], AbstractAsyncContextManager[Count]]) -> None:
        """`counter` connects, and yields what returns the numbers by topic.

        It is used until that raises; later it connects again.
        """
        self._counter = counter
        self._said: dict[str, int] = {}
        """The number of each topic that was last said to be wrong."""

    async def watch(self) -> None:
        """Check for ever. Each wrong number is said once, until it changes."""
        while True:
            try:
                async with self._counter() as count:
                    await self._watch(count)
            except Exception as error:
                # Whatever Kafka answers: to count is no reason to end a worker that works.
                log.info("partitions: %s", type(error).__name__)
            await asyncio.sleep(CHECK_SECONDS)

    async def _watch(self, count: Count) -> None:
        while True:
            self._check(await count())
            await asyncio.sleep(CHECK_SECONDS)

    def _check(self, counts: Mapping[str, PartitionCount]) -> None:
        for topic, count in counts.items():
            metrics.PARTITION_DIFFERENCE.labels(topic).set(count.actual - count.required)
            if count.actual == count.required:
                self._said.pop(topic, None)
            elif self._said.get(topic) != count.actual:
                self._said[topic] = count.actual
                log.error(
                    "%s has %d partitions and must have %d: keys move between partitions, so that "
                    "the order of a conversation's records is not kept. docs/operating.md, "
                    "'Partitions', says what to do",
                    *(topic, count.actual, count.required),
                )
