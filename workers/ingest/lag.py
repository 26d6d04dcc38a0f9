"""Measures how many records are not applied yet; an empty backlog is a sign of life."""

import asyncio
import logging
from collections.abc import Callable

from aiokafka.errors import KafkaError

from workers.ingest.positions import Positions
from workers.ingest.transport import Consumer
from workers.process import metrics

log = logging.getLogger(__name__)

LAG_SECONDS = 5.0
"""How often the lag is measured."""

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

    async def watch(self) -> None:
        """Measure until the consumer stops, whatever Kafka answers."""
        while not self._consumer.app.should_stop:
            try:
                await self._measure()
            except (KafkaError, OSError, TimeoutError) as error:
                # A broker that is down is waited for, which is no stall.
                self._alive()
                log.info("lag: %s", type(error).__name__)
            except Exception:
                # To measure is no reason to end a worker that works.
                self._alive()
                log.warning("the lag is not known", exc_info=True)
            await asyncio.sleep(LAG_SECONDS)

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
