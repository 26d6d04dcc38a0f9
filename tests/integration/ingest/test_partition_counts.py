"""A topic gets more partitions under a running worker: they are read soon, and it is said."""

import re

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from tests.conftest import PARTITIONS
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.kafka.clients import client_arguments
from workers.settings import Settings

MORE = PARTITIONS + 2

SECONDS = 150
"""Half a minute is usual, and more where many tests run at once. With aiokafka's own settings it
would be five minutes and more."""


async def add_partitions(settings: Settings, *topics: str) -> None:
    """Give topics more partitions, as a platform team does."""
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        await admin.create_partitions(
            {settings.topic(topic): NewPartitions(total_count=MORE) for topic in topics}
        )
    finally:
        await admin.close()


def said(worker: Worker) -> list[str]:
    """Returns the topics of which a worker says that they have more partitions, in order."""
    pattern = rf"ERROR.*? (\S+) has {MORE} partitions and must have"
    return re.findall(pattern, worker.log.read_text())


async def test_new_partitions_are_read_soon_and_said(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    await add_partitions(settings, "messages.received", "relay")
    event = message("whatsapp:+4911")
    await topics.publish_raw(event.topic, event.value, event.key.encode(), partition=MORE - 1)
    log = await topics.read_until("conversations", 2, seconds=SECONDS)
    assert [read.kind for read in log] == ["conversation.created", "conversation.message_recorded"]

    async def both_said() -> bool:
        return len(said(worker)) == 2

    await until(both_said, "both lines", SECONDS)
    names = {settings.topic("messages.received"), settings.topic("relay")}
    assert set(said(worker)) == names
    await until(worker.is_ready, "a ready worker")
    told = await worker.metrics()
    for name in names:
        assert f'inbox_partition_difference{{topic="{name}"}} 2.0' in told
    assert f'inbox_partition_difference{{topic="{settings.topic("links")}"}} 0.0' in told
    name = settings.topic("messages.received")

    async def lag_is_known() -> bool:
        lag = f'inbox_lag_records{{partition="{MORE - 1}",topic="{name}"}} 0.0'
        return lag in await worker.metrics()

    await until(lag_is_known, "the lag of the new partition")
    assert "Traceback" not in worker.log.read_text()
