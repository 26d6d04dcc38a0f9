"""The fixtures of the tests of commands."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from workers.settings import Settings


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client of the test's Kafka."""
    client = AIOKafkaAdminClient(bootstrap_servers=list(settings.kafka or ()))
    await client.start()
    yield client
    await client.close()
