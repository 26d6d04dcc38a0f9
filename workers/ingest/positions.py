"""The positions of this worker's partitions: where each is read from, how far it is applied."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

from aiokafka.errors import KafkaError
from faust.types import TP

from db.connect import AnyConnection
from db.positions import load_positions
from workers.process.errors import ForeignLog
from workers.process.retries import until_done

FOREIGN_LOG_CHECKS = 4


class Positions:
    """The positions of the partitions that the consumer group assigned to this worker."""

    def __init__(
        self,
        topics: Collection[str],
        acquire: Callable[[], AbstractAsyncContextManager[AnyConnection]],
        alive: Callable[[], None],
    ) -> None:
        self.topics = frozenset(topics)
        """The full names of the ingested topics; partitions of others have no position."""
        self._acquire = acquire
        self._alive = alive
        self.applied: dict[TP, int] = {}
        """The position after the last record applied, of each ingested partition assigned."""
        self.assigned: frozenset[TP] | None = None
        """All partitions assigned, of other topics too; None before the first assignment."""

    async def load(self, tps: Collection[TP]) -> dict[TP, int]:
        """Return where to read each partition from. Repeated until Postgres answers."""

        async def load() -> dict[TP, int]:
            async with self._acquire() as connection:
                found = await load_positions(connection, [(tp.topic, tp.partition) for tp in tps])
            return {TP(*partition): position for partition, position in found.items()}

        positions = await until_done("positions", load, self._alive)
        self.applied = dict(positions)
        return positions

    async def check_against(
        self,
        positions: Mapping[TP, int],
        ends: Callable[[Iterable[TP]], Awaitable[Mapping[TP, int]]],
    ) -> None:
        """Check that no position lies beyond the end of its log: that log is another Kafka's.

        `ends` returns the last stable offsets; when it raises KafkaError or TimeoutError nothing
        is checked. Raises ForeignLog.
        """
        for attempt in range(FOREIGN_LOG_CHECKS):
            try:
                found = await ends(positions)
            except (KafkaError, TimeoutError):
                return
            beyond = [tp for tp, position in positions.items() if position > found[tp]]
            if not beyond:
                return
            # A broker that just started may not know yet how far its log is committed.
            await asyncio.sleep(attempt)
        tp = beyond[0]
        raise ForeignLog(
            f"{tp.topic}[{tp.partition}] is applied up to {positions[tp]}, but its log ends at "
            f"{found[tp]}: this Kafka and this Postgres are not of one history"
        )
