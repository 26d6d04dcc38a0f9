"""An aiokafka consumer that knows when to wait.

It starts only when Kafka has told it of a broker. A broker that just started answers for a moment
as if there were none. aiokafka takes that for an answer; the first look for the group's
coordinator then fails with an AssertionError that ends its coordination for good: the consumer
runs, and never joins its group.

And it lingers only while records come. A fetch names every partition that the consumer has, so it
costs milliseconds of Python whatever it brings, and until it is answered aiokafka sends no other.
While records come, a fetch waits at the broker for more of them, but not long, since partitions
whose records are not taken yet are not part of it. When nothing came, and all partitions are part
of it, the next one waits long, and returns with the first byte.
"""

import asyncio
from contextlib import suppress
from typing import Any

import aiokafka
from aiokafka.errors import KafkaError

ASK_AGAIN_SECONDS = 0.2

# Bounds what a worker holds in memory of a backlog, whatever its length.
BYTES_MAX = 16 * 1024 * 1024
TOPIC_BYTES_MAX = 12 * 1024 * 1024
"""Shared by the partitions of a topic, each of which may wait with what was fetched of it."""
PARTITION_BYTES_MIN, PARTITION_BYTES_MAX = 256 * 1024, 1536 * 1024
"""Larger polls make larger batches, which cost less a record: see docs/decisions."""

BYTES_MIN, WAIT_MILLISECONDS = 64 * 1024, 20
"""While records come, a fetch waits for so many bytes, but not longer."""
PARTITION_WAIT_MILLISECONDS = 0.2
"""Or for so long of each partition: a fetch costs 30 µs of each, and may not take all the time."""
IDLE_BYTES_MIN, IDLE_WAIT_MILLISECONDS = 1, 500


def fetch_arguments(topics: int, partitions: int) -> dict[str, int]:
    """How a consumer of so many topics, each of so many partitions, fetches."""
    share = TOPIC_BYTES_MAX // partitions
    wait = int(topics * partitions * PARTITION_WAIT_MILLISECONDS)
    return {
        "fetch_min_bytes": BYTES_MIN,
        "fetch_max_wait_ms": max(WAIT_MILLISECONDS, wait),
        "fetch_max_bytes": BYTES_MAX,
        "max_partition_fetch_bytes": max(PARTITION_BYTES_MIN, min(PARTITION_BYTES_MAX, share)),
    }


class PatientConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Subscribe to topics once it is started, not before."""

    async def start(self) -> None:
        """Return when brokers are known. Raises KafkaError when nobody answers at first."""
        await super().start()
        self._fetcher._proc_fetch_request = self._fetch
        while not self._client.cluster.brokers():
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            with suppress(KafkaError):
                await self._client.bootstrap()

    async def _fetch(self, *request: Any) -> bool:
        """One fetch; whether it brought anything."""
        fetcher = self._fetcher
        brought: bool = await type(fetcher)._proc_fetch_request(fetcher, *request)
        idle = not brought and not fetcher._records
        fetcher._fetch_min_bytes = IDLE_BYTES_MIN if idle else self._fetch_min_bytes
        fetcher._fetch_max_wait_ms = IDLE_WAIT_MILLISECONDS if idle else self._fetch_max_wait_ms
        return brought
