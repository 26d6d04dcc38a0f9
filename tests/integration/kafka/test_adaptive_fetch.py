"""How long a fetch of a worker's consumer waits."""

from typing import Any

from tests.harness.topics import Bus
from tests.harness.waiting import until
from workers.kafka.adaptive_fetch import (
    BYTES_MIN,
    IDLE_BYTES_MIN,
    IDLE_WAIT_MILLISECONDS,
    WAIT_MILLISECONDS,
    PatientConsumer,
    fetch_arguments,
)
from workers.kafka.clients import client_arguments
from workers.settings import Settings


class Watched(PatientConsumer):
    """Notes how the next fetch will wait."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.waits: list[tuple[int, int]] = []

    async def _fetch(self, *request: Any) -> bool:
        brought = await super()._fetch(*request)
        wait = (self._fetcher._fetch_min_bytes, self._fetcher._fetch_max_wait_ms)
        if self.waits[-1:] != [wait]:
            self.waits.append(wait)
        return brought


async def test_a_fetch_waits_for_more_while_records_come_and_for_any_when_none_do(
    settings: Settings, bus: Bus
) -> None:
    idle, busy = (IDLE_BYTES_MIN, IDLE_WAIT_MILLISECONDS), (BYTES_MIN, WAIT_MILLISECONDS)
    consumer = Watched(
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
        await bus.publish_raw("messages.received", b"{}", key=b"key", partition=0)
        await until(lambda: waited(idle, busy, idle), "a busy one, and an idle one again")
    finally:
        await consumer.stop()


def test_a_fetch_of_many_partitions_waits_longer_and_brings_less_of_each() -> None:
    few, many = fetch_arguments(7, 8), fetch_arguments(7, 64)
    assert few["fetch_max_wait_ms"] == WAIT_MILLISECONDS < many["fetch_max_wait_ms"]
    assert few["max_partition_fetch_bytes"] > many["max_partition_fetch_bytes"]
