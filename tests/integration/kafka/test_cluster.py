"""Three brokers: what Kafka acknowledges is on two of them, and one broker may be lost."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NotEnoughReplicasError

from bench.mock_twilio.account import SID, TOKEN
from schemas.topics import TOPICS
from tests.harness.command import inbox
from tests.harness.input_events import channel, message, user
from tests.harness.kafka_cluster import BROKERS, Broker, kafka_cluster
from tests.harness.log_lines import troubled_lines
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio, form
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.kafka.clients import new_producer, stop_producer
from workers.settings import Settings

pytestmark = [pytest.mark.busy, pytest.mark.seconds(70)]

_numbers = count(1)

SHORT_MILLISECONDS = 5_000
"""How long a publisher of these tests tries to have a record taken."""


@dataclass
class Cluster:
    """Three brokers with the topics of the inbox."""

    brokers: list[Broker]
    settings: Settings
    admin: AIOKafkaAdminClient

    async def in_sync(self, topic: str) -> set[int]:
        """Returns how many replicas of the partitions of a topic are in sync, each number once."""
        (described,) = await self.admin.describe_topics([self.settings.topic(topic)])
        return {len(partition["isr"]) for partition in described["partitions"]}

    async def until_in_sync(self, replicas: int) -> None:
        """Wait until so many replicas of each partition of all topics are in sync."""

        async def reached() -> bool:
            try:
                return all([await self.in_sync(topic) == {replicas} for topic in TOPICS])
            except KafkaError:  # the client asked a broker that is away
                return False

        await until(reached, f"{replicas} replicas in sync")

    def holding(self, text: str) -> int:
        """Returns how many brokers have a text in their logs on disk."""
        return sum(
            any(text.encode() in log.read_bytes() for log in broker.data.rglob("*.log"))
            for broker in self.brokers
        )


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    """Three running brokers. A test that stops one starts it again."""
    with kafka_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
async def cluster(brokers: list[Broker], database: Settings) -> AsyncIterator[Cluster]:
    """The brokers, with topics of the test's own that `inbox topics` made."""
    port, name = free_port(), f"test{next(_numbers)}"
    settings = Settings.from_environment(
        database.environment()
        | {
            "INBOX_KAFKA": ",".join(broker.bootstrap for broker in brokers),
            "INBOX_TOPIC_PREFIX": f"{name}.",
            "INBOX_GROUP": name,
            "INBOX_PARTITIONS": "2",
            "INBOX_REPLICATION": str(BROKERS),
            "INBOX_WEB_PORT": str(port),
            "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "INBOX_TWILIO_ACCOUNTS": json.dumps({SID: {"account_id": "acme", "auth_token": TOKEN}}),
        }
    )
    created = await inbox(settings, "topics")
    assert created.status == 0, created.err
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers[0].bootstrap)
    await admin.start()
    try:
        yield Cluster(brokers, settings, admin)
    finally:
        await admin.close()


async def publish(settings: Settings, body: str) -> None:
    """Publish a message as a publisher would. Raises KafkaError when it is not taken in time."""
    producer = new_producer(settings, request_timeout_ms=SHORT_MILLISECONDS)
    await producer.start()
    try:
        event = message("whatsapp:+4911", body)
        await producer.send_and_wait(settings.topic(event.topic), event.value, event.key.encode())
    finally:
        await stop_producer(producer)


async def test_an_acknowledged_record_is_on_two_brokers_or_is_refused(cluster: Cluster) -> None:
    _, second, third = cluster.brokers
    verified = await inbox(cluster.settings, "topics")
    assert (verified.status, verified.out) == (0, "all topics are as they must be\n")
    await cluster.until_in_sync(BROKERS)
    try:
        await asyncio.to_thread(third.kill)
        await cluster.until_in_sync(2)
        await publish(cluster.settings, "with-one-broker-lost")
        assert cluster.holding("with-one-broker-lost") == 2
        await asyncio.to_thread(second.stop)
        await cluster.until_in_sync(1)
        with pytest.raises(NotEnoughReplicasError):
            await publish(cluster.settings, "with-two-brokers-lost")
        assert cluster.holding("with-two-brokers-lost") == 0
    finally:
        for broker in (second, third):
            if not broker.running:
                await asyncio.to_thread(broker.start)
    await cluster.until_in_sync(BROKERS)


async def test_topics_with_fewer_copies_than_asked_for_are_told(cluster: Cluster) -> None:
    few = replace(cluster.settings, topic_prefix=f"few.{cluster.settings.topic_prefix}")
    one, alone, stuck = "lifecycle", "links", "notes"
    replicas = {one: 1, alone: 3, stuck: 3}
    in_sync = {one: "1", alone: "1", stuck: "4"}
    await cluster.admin.create_topics(
        [
            NewTopic(
                few.topic(name),
                few.partitions,
                replicas[name],
                topic_configs=TOPICS[name].config | {"min.insync.replicas": in_sync[name]},
            )
            for name in replicas
        ]
    )
    verified = await inbox(few, "topics")
    assert (verified.status, verified.out) == (1, "")
    assert verified.err.splitlines() == [
        "inbox: topics are not as they must be:",
        f"{few.topic(one)}: replicas is 1, must be 3 or more",
        f"{few.topic(alone)}: min.insync.replicas is 1, must be 2 or more",
        f"{few.topic(stuck)}: min.insync.replicas is 4, must be 3 or less, the number of replicas",
    ]


async def test_the_inbox_works_with_one_broker_lost_and_waits_with_two(
    cluster: Cluster, tmp_path: Path
) -> None:
    _, second, third = cluster.brokers
    settings = cluster.settings
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start()
    async with Topics(settings) as topics, aiohttp.ClientSession() as session:
        twilio = Twilio(settings.public_url, session)
        await topics.publish(user("ana"), channel(CHANNELS["wa1"]))
        # The log of the inbox says when all of this is applied.
        await topics.publish(message("whatsapp:+4911"))
        await topics.read_until("conversations", 2)
        try:
            await asyncio.to_thread(third.kill)
            assert await twilio.post(form(MessageSid="SM" + "1" * 32, Body="one-lost")) == 204
            # By then the other two lead all partitions.
            await cluster.until_in_sync(2)
            await topics.read_until("conversations", 3)
            await asyncio.to_thread(second.stop)
            await cluster.until_in_sync(1)
            assert await twilio.post(form(MessageSid="SM" + "2" * 32, Body="two-lost")) == 204
            assert "inbox_spool_records 1.0" in await worker.metrics()
        finally:
            for broker in (second, third):
                if not broker.running:
                    await asyncio.to_thread(broker.start)
        await cluster.until_in_sync(BROKERS)
        records = await topics.read_until("conversations", 4)
        ids = Counter(record.event["id"] for record in records)
        assert set(ids.values()) == {1}
        assert len(records) == 4
        await worker.stop()
    # What is trouble is told, as ever.
    assert any("Unable connect to node with id 3" in line for line in troubled_lines(worker.log))
