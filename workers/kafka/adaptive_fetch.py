"""An aiokafka consumer that adapts to the traffic how long a fetch waits at the broker.

A fetch lists every partition of the consumer, so it costs milliseconds of Python, even if it
returns no record. aiokafka sends the next fetch only after the answer. While records arrive, a
fetch waits at the broker for more of them, but not long: partitions whose records are not taken
yet are not part of it. After an empty fetch, all partitions are part of the next one. So it waits
long, and returns with the first byte.
"""

from typing import Any

import aiokafka

from workers.kafka.clients import guard_client

FETCH_BYTES_MAX = 16 * 1024 * 1024
"""Limits how much of a backlog a worker holds in memory, however long the backlog is."""
TOPIC_BYTES_MAX = 12 * 1024 * 1024
"""Shared by the partitions of a topic: the records of each may wait in memory at the same time."""
PARTITION_BYTES_MIN, PARTITION_BYTES_MAX = 256 * 1024, 1536 * 1024
"""Larger polls make larger batches, which cost less per record: see docs/decisions."""

BUSY_BYTES_MIN, BUSY_WAIT_MILLISECONDS = 64 * 1024, 20
"""While records arrive, a fetch waits for this many bytes, or until this time has passed."""
PARTITION_WAIT_MILLISECONDS = 0.2
"""With many partitions it waits longer: this time for each. A fetch costs 30 µs per partition, and
fetches must not take all the time."""
IDLE_BYTES_MIN, IDLE_WAIT_MILLISECONDS = 1, 500
"""After an empty fetch, the next one waits for any byte, or until this time has passed."""


def fetch_arguments(topics: int, partitions: int) -> dict[str, int]:
    """Returns the fetch settings for a consumer of topics that each have so many partitions."""
    partition_share = TOPIC_BYTES_MAX // partitions
    wait = int(topics * partitions * PARTITION_WAIT_MILLISECONDS)
    return {
        "fetch_min_bytes": BUSY_BYTES_MIN,
        "fetch_max_wait_ms": max(BUSY_WAIT_MILLISECONDS, wait),
        "fetch_max_bytes": FETCH_BYTES_MAX,
        "max_partition_fetch_bytes": max(
            PARTITION_BYTES_MIN, min(PARTITION_BYTES_MAX, partition_share)
        ),
    }


class AdaptiveFetchConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Adapts the wait of each fetch to the answer of the last. Subscribe after the start only."""

    async def start(self) -> None:
        """Return when brokers are known. Raises KafkaError when no broker answers at first."""
        guard_client(self._client)
        await super().start()
        self._fetcher._proc_fetch_request = self._fetch

    async def _fetch(self, *request: Any) -> bool:
        """Fetch once, and return whether records came. Set how long the next fetch waits."""
        fetcher = self._fetcher
        fetched: bool = await type(fetcher)._proc_fetch_request(fetcher, *request)
        idle = not fetched and not fetcher._records
        fetcher._fetch_min_bytes = IDLE_BYTES_MIN if idle else self._fetch_min_bytes
        fetcher._fetch_max_wait_ms = IDLE_WAIT_MILLISECONDS if idle else self._fetch_max_wait_ms
        return fetched
