"""Measures how many records are not applied yet; an empty backlog is a sign of life.

So is a broker that is away: it is waited for. A measurement that fails for another reason says
nothing of the worker, and is forgiven FAILURES_MAX times in a row. From then on it is no sign of
life: a worker that applies nothing is ended by the watchdog, and one that applies records goes on.
"""

import asyncio
import logging
from collections.abc import Callable

from aiokafka.errors import KafkaError, KafkaTimeoutError

from workers.ingest.positions import Positions
from workers.ingest.transport import Consumer
from workers.process import metrics

log = logging.getLogger(__name__)

LAG_SECONDS = 5.0
"""How often the lag is measured."""

FAILURES_MAX = 3
"""So many measurements in a row may fail."""

BROKER_CONNECT_SECONDS = 5.0


class Lag:
    """The lag of the ingested partitions of this worker."""

    def __init__(
        self,
        brokers: tuple[str, ...],
        positions: Positions,
        consumer: Consumer,
        alive: Callable[[], None],
    ) -> None:
        self._brokers = brokers
        self._positions = positions
        self._consumer = consumer
        self._alive = alive
        self._failures = 0
        """Of the last measurements, without one that did not fail."""

    async def watch(self) -> None:
        """Measure until the consumer stops, whatever Kafka answers."""
        while not self._consumer.app.should_stop:
            try:
                await self._measure()
                self._failures = 0
            except Exception as error:
                # To measure is no reason to end a worker that works.
                self._failed(error)
            await asyncio.sleep(LAG_SECONDS)

    def _failed(self, error: Exception) -> None:
        if _is_waited_for(error):
            self._failures = 0
            self._alive()
            log.info("lag: %s", type(error).__name__)
            return
        self._failures += 1
        if self._failures == 1:
            log.warning("the lag is not known", exc_info=error)
        if self._failures <= FAILURES_MAX:
            self._alive()

    async def _measure(self) -> None:
        if self._positions.assigned is None or self._consumer.app.rebalancing:
            if not await self._any_broker_listens():
                self._alive()
            return
        if not self._positions.assigned:
            self._alive()
            return
        lags = await self._consumer.lags(self._positions.applied)
        metrics.LAG_RECORDS.clear()
        for tp, lag in lags.items():
            metrics.LAG_RECORDS.labels(tp.topic, tp.partition).set(lag)
        if not any(lags.values()):
            self._alive()

    async def _any_broker_listens(self) -> bool:
        """Whether any broker accepts a connection.

        While none does, waiting for the consumer group is no stall.
        """
        for broker in self._brokers:
            host, _, port = broker.rpartition(":")
            try:
                async with asyncio.timeout(BROKER_CONNECT_SECONDS):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            except (OSError, TimeoutError):
                continue
            writer.close()
            return True
        return False


def _is_waited_for(error: Exception) -> bool:
    """Whether a broker is down, slow or changing, so that to wait for it is no stall."""
    if isinstance(error, KafkaError):
        return error.retriable or isinstance(error, KafkaTimeoutError)
    return isinstance(error, OSError | TimeoutError)
