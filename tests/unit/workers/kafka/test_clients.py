"""A guarded client limits its requests for metadata."""

import asyncio
import time
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from workers.kafka.clients import (
    METADATA_UPDATES_MAX,
    METADATA_WINDOW_SECONDS,
    guard_client,
)


async def test_metadata_is_asked_for_a_limited_number_of_times_in_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, requested_at = 0.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += max(0.0, seconds)

    async def update(*_arguments: Any) -> bool:
        requested_at.append(now)
        return False

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    client = AIOKafkaClient()
    client._metadata_update = update
    guard_client(client)
    for _ in range(METADATA_UPDATES_MAX * 3):
        assert not await client._metadata_update(client.cluster, None)
    assert requested_at == [
        second * METADATA_WINDOW_SECONDS for second in range(3) for _ in range(METADATA_UPDATES_MAX)
    ]
