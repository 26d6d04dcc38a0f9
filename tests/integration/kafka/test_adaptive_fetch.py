"""How long a fetch of a worker's consumer waits at the broker."""

from typing import Any

from tests.harness.topics import Topics
from tests.harness.waiting import until
from workers.kafka.adaptive_fetch import (
    BUSY_BYTES_MIN,
    BUSY_WAIT_MILLISECONDS,
    IDLE_BYTES_MIN,
    IDLE_WAIT_MILLISECONDS,
    AdaptiveFetchConsumer,
    fetch_arguments,
)
from workers.kafka.clients import client_arguments
from workers.settings import Settings


class RecordingConsumer(AdaptiveFetchConsumer):
    """Records how long the next fetch will wait, and for how many bytes."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.waits: list[tuple[int, int]] = []

    async def _fetch(self, *request: Any) -> bool:
        fetched = await super()._fetch(*request)
        wait = (self._fetcher._fetch_min_bytes, self._fetcher._fetch_max_wait_ms)
        if self.waits[-1:] != [wait]:
            self.waits.append(wait)
        return fetched


async def test_a_fetch_waits_for_more_while_records_come_and_for_any_when_none_do(
    settings: Settings, topics: Topics
) -> None:
    idle, busy = (IDLE_BYTES_MIN, IDLE_WAIT_MILLISECONDS), (BUSY_BYTES_MIN, BUSY_WAIT_MILLISECONDS)
    consumer = RecordingConsumer(
        **client_arguments(settings),
        **fetch_arguments(1, settings.partitions),
        group_id=settings.group,
        auto_offset_reset="earliest",
    )

    async def waited(*waits: tuple[int, int]) -> bool:
        await consumer.getmany(timeout_ms=100)
        return tuple(consumer.waits) == waits

    await consumer.start()
    try:
        consumer.subscribe([settings.topic("messages.received")])
        await until(lambda: waited(idle), "an idle consumer")
        await topics.publish_raw("messages.received", b"{}", key=b"key", partition=0)
        await until(lambda: waited(idle, busy, idle), "a busy one, and an idle one again")
    finally:
        await consumer.stop()
