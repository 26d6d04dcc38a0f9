"""An aiokafka consumer that starts only when Kafka has told it of a broker.

A broker that just started answers for a moment as if there were none. aiokafka takes that for an
answer; the first look for the group's coordinator then fails with an AssertionError that ends its
coordination for good: the consumer runs, and never joins its group.
"""

import asyncio
from contextlib import suppress

import aiokafka
from aiokafka.errors import KafkaError

ASK_AGAIN_SECONDS = 0.2


class PatientConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Subscribe to topics once it is started, not before."""

    async def start(self) -> None:
        """Return when brokers are known. Raises KafkaError when nobody answers at first."""
        await super().start()
        while not self._client.cluster.brokers():
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            with suppress(KafkaError):
                await self._client.bootstrap()
