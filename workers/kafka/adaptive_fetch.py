"""An aiokafka consumer that knows when to wait.

It is a patient client, and it lingers only while records come. A fetch names every partition that
the consumer has, so it costs milliseconds of Python whatever it brings, and until it is answered
aiokafka sends no other. While records come, a fetch waits at the broker for more of them, but not
long, since partitions whose records are not taken yet are not part of it. When nothing came, and
all partitions are part of it, the next one waits long, and returns with the first byte.
"""

from typing import Any

import aiokafka

from workers.kafka.clients import be_patient

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
        be_patient(self._client)
        await super().start()
        self._fetcher._proc_fetch_request = self._fetch

    async def _fetch(self, *request: Any) -> bool:
        """One fetch; whether it brought anything."""
        fetcher = self._fetcher
        brought: bool = await type(fetcher)._proc_fetch_request(fetcher, *request)
        idle = not brought and not fetcher._records
        fetcher._fetch_min_bytes = IDLE_BYTES_MIN if idle else self._fetch_min_bytes
        fetcher._fetch_max_wait_ms = IDLE_WAIT_MILLISECONDS if idle else self._fetch_max_wait_ms
        return brought
