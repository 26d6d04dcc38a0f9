"""Nothing but `inbox topics` creates topics, though the broker would create any that is asked for.

A topic that a broker creates has the broker's number of partitions, and stays wrong for ever.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.command import inbox
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.follow.follower import FOLLOWED_TOPICS, Follower
from workers.kafka.clients import (
    METADATA_UPDATES_MAX,
    new_admin,
    new_consumer,
    new_producer,
    stop_consumer,
    stop_producer,
)
from workers.kafka.topic_admin import count_partitions, require_topics
from workers.process.errors import CommandFailed
from workers.settings import Settings


class CreatingKafka(EmbeddedKafka):
    """A Kafka that creates topics which a client asks for, as Kafka does by default."""

    def _write_settings(self, name: str, data: Path) -> Path:
        file = super()._write_settings(name, data)
        strict, lenient = "auto.create.topics.enable=false", "auto.create.topics.enable=true"
        assert strict in file.read_text()
        file.write_text(file.read_text().replace(strict, lenient))
        return file


@pytest.fixture(scope="module")
def creating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CreatingKafka]:
    """A Kafka that creates topics, without any."""
    with CreatingKafka(tmp_path_factory.mktemp("creating")) as server:
        yield server


@pytest.fixture
def there(database: Settings, creating: CreatingKafka) -> Settings:
    """Settings with this Kafka."""
    return replace(database, kafka=(creating.bootstrap,))


async def topics_of(settings: Settings) -> list[str]:
    """Returns the topics with the prefix of the settings."""
    admin = new_admin(settings)
    await admin.start()
    try:
        names = await admin.list_topics()
    finally:
        await admin.close()
    return [name for name in names if name.startswith(settings.topic_prefix)]


async def test_the_commands_that_only_look_create_nothing(there: Settings) -> None:
    ended = await inbox(there, "doctor")
    assert (ended.status, "no such topic" in ended.out) == (1, True)
    assert await count_partitions(there) == {}
    with pytest.raises(CommandFailed):
        await require_topics(there, ["links"])
    with pytest.raises(CommandFailed, match="no topic"):
        async with Follower(there, FOLLOWED_TOPICS, from_start=True):
            pass
    assert await topics_of(there) == []
    assert (await inbox(there, "topics")).status == 0
    assert (await inbox(there, "doctor")).status == 0


async def test_consumers_and_producers_create_nothing(there: Settings) -> None:
    there = replace(there, topic_prefix=there.topic_prefix + "clients.")
    producer, consumer = new_producer(there), new_consumer(there)
    clients = {"links": producer.client, "channels": consumer._client}
    await producer.start()
    await consumer.start()
    try:
        for topic, client in clients.items():
            await client.add_topic(there.topic(topic))
            # Often enough for the broker to have created it after the first request.
            for _ in range(METADATA_UPDATES_MAX * 2):
                await client.force_metadata_update()
    finally:
        await stop_consumer(consumer)
        await stop_producer(producer)
    assert await topics_of(there) == []
