"""Creates the topics that are missing, and verifies the others against the contract."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaTimeoutError, for_code

from schemas.topics import TOPICS, Topic, min_in_sync_replicas
from workers.kafka.clients import new_admin
from workers.process.errors import CommandFailed
from workers.settings import Settings

ADMIN_REQUEST_MILLISECONDS = 30_000
TOPICS_POLL_SECONDS = 0.1

MIN_IN_SYNC = "min.insync.replicas"

TOPIC_EXISTS = 36
"""Kafka's error code TOPIC_ALREADY_EXISTS: another `inbox topics` created the topic before."""


class TopicMismatch(Exception):
    """Topics differ from the contract. The message has a line for each difference."""


async def ensure_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, and return their full names.

    Raises TopicMismatch when an existing topic differs from the contract: it is never changed.
    """
    async with _admin(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS.values() if settings.topic(topic.name) not in existing]
        created = await _create(admin, settings, missing) if missing else []
        new = [settings.topic(topic.name) for topic in missing]
        await _wait_until_known(admin, [settings.topic(name) for name in TOPICS], new)
        await _verify(admin, settings, [topic for topic in TOPICS.values() if topic not in created])
        return [settings.topic(topic.name) for topic in created]


async def require_topics(settings: Settings, names: Iterable[str]) -> None:
    """Raise CommandFailed unless these topics exist. Their names are without the prefix.

    Commands check this first, because Kafka's clients wait half a minute for a missing topic.
    """
    async with _admin(settings) as admin:
        existing = set(await admin.list_topics())
    if missing := sorted({settings.topic(name) for name in names} - existing):
        raise CommandFailed(f"{', '.join(missing)}: no such topic, run `inbox topics`")


async def verify_topics(settings: Settings) -> None:
    """Raise TopicMismatch unless every topic is there and follows the contract."""
    async with _admin(settings) as admin:
        existing = set(await admin.list_topics())
        lines = [
            f"{name}: no such topic, or not one that this user may see"
            for name in sorted({settings.topic(name) for name in TOPICS} - existing)
        ]
        try:
            present = [each for each in TOPICS.values() if settings.topic(each.name) in existing]
            await _verify(admin, settings, present)
        except TopicMismatch as differences:
            lines.append(str(differences))
    if lines:
        raise TopicMismatch("\n".join(lines))


async def count_brokers(settings: Settings) -> int:
    """Return how many brokers the cluster has. Raises KafkaError."""
    async with _admin(settings) as admin:
        cluster = await admin.describe_cluster()
    return len(cluster["brokers"])


class PartitionCount(NamedTuple):
    """How many partitions a topic has, and how many it must have."""

    actual: int
    required: int


async def count_partitions(settings: Settings) -> dict[str, PartitionCount]:
    """Return the numbers of partitions, by full topic name.

    Topics that are missing, or that this user may not see, are left out. Raises KafkaError.
    """
    async with partition_counter(settings) as count:
        return await count()


@asynccontextmanager
async def partition_counter(
    settings: Settings,
) -> AsyncIterator[Callable[[], Awaitable[dict[str, PartitionCount]]]]:
    """Yield what counts as `count_partitions` does, as often as it is called, with one client."""
    required = {
        settings.topic(topic.name): topic.partitions or settings.partitions
        for topic in TOPICS.values()
    }
    async with _admin(settings) as admin:

        async def count() -> dict[str, PartitionCount]:
            found = await admin.describe_topics(list(required))
            return {
                each["topic"]: PartitionCount(len(each["partitions"]), required[each["topic"]])
                for each in found
                if not each["error_code"]
            }

        yield count


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = new_admin(settings, request_timeout_ms=ADMIN_REQUEST_MILLISECONDS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def new_topic(settings: Settings, topic: Topic) -> NewTopic:
    """Returns a topic as Kafka is asked to create it."""
    return NewTopic(
        name=settings.topic(topic.name),
        num_partitions=topic.partitions or settings.partitions,
        replication_factor=settings.replication,
        topic_configs=topic.config | {MIN_IN_SYNC: str(min_in_sync_replicas(settings.replication))},
    )


async def _create(
    admin: AIOKafkaAdminClient, settings: Settings, topics: list[Topic]
) -> list[Topic]:
    """Create topics, and return those that this call created."""
    response = await admin.create_topics([new_topic(settings, topic) for topic in topics])
    errors = {name: (code, message) for name, code, message, *_ in response.topic_errors}
    refused = [
        f"{name}: not created: {message or code}"
        for name, (code, message) in errors.items()
        if code not in {0, TOPIC_EXISTS}
    ]
    if refused:
        raise TopicMismatch("\n".join(refused))
    return [topic for topic in topics if errors[settings.topic(topic.name)][0] == 0]


async def _wait_until_known(
    admin: AIOKafkaAdminClient, names: Collection[str], new: Collection[str]
) -> None:
    """Wait until the brokers know topics that this or another process has just created.

    Each partition of the `new` ones must have a leader: clients that ask earlier log warnings.
    """
    try:
        async with asyncio.timeout(ADMIN_REQUEST_MILLISECONDS / 1000):
            while not await _are_known(admin, names, new):  # noqa: ASYNC110  # no signal
                await asyncio.sleep(TOPICS_POLL_SECONDS)
    except TimeoutError as error:
        raise KafkaTimeoutError("the topics were created, but no broker knows them") from error


async def _are_known(
    admin: AIOKafkaAdminClient, names: Collection[str], new: Collection[str]
) -> bool:
    if not set(names) <= set(await admin.list_topics()):
        return False
    described = await admin.describe_topics(list(new)) if new else []
    return all(
        each["error_code"] == 0
        and all(partition["leader"] >= 0 for partition in each["partitions"])
        for each in described
    )


async def _verify(admin: AIOKafkaAdminClient, settings: Settings, topics: list[Topic]) -> None:
    if not topics:
        return
    names = {settings.topic(topic.name): topic for topic in topics}
    found = await admin.describe_topics(list(names))
    configs = await _configs(admin, list(names))
    differences = [
        f"{described['topic']}: {difference}"
        for described in found
        for difference in differences_of(
            settings,
            names[described["topic"]],
            [len(partition["replicas"]) for partition in described["partitions"]],
            configs[described["topic"]],
        )
    ]
    if differences:
        raise TopicMismatch("\n".join(sorted(differences)))


def differences_of(
    settings: Settings, topic: Topic, replicas: Sequence[int], config: Mapping[str, str]
) -> list[str]:
    """Returns how a topic differs from the contract, a line for each difference.

    `replicas` has the number of replicas of each of its partitions.
    """
    expected = {"partitions": str(topic.partitions or settings.partitions)} | topic.config
    actual = {"partitions": str(len(replicas))} | dict(config)
    return [
        f"{key} is {actual.get(key)}, must be {value}"
        for key, value in expected.items()
        if actual.get(key) != value
    ] + _differences_in_safety(
        settings.replication, min(replicas, default=0), int(config.get(MIN_IN_SYNC, 0))
    )


def _differences_in_safety(replication: int, replicas: int, in_sync: int) -> list[str]:
    """Returns how the copies of a topic's records fall short. More safety than asked for is fine.

    A topic with fewer replicas than `in_sync` takes no record at all.
    """
    least = min_in_sync_replicas(replication)
    if replicas < replication:
        # The rest would follow from this.
        return [f"replicas is {replicas}, must be {replication} or more"]
    if in_sync < least:
        return [f"{MIN_IN_SYNC} is {in_sync}, must be {least} or more"]
    if in_sync > replicas:
        return [f"{MIN_IN_SYNC} is {in_sync}, must be {replicas} or less, the number of replicas"]
    return []


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Return the configuration of topics. Raises KafkaError when this user may not see it."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = {}
    for response in await admin.describe_configs(resources):
        for code, _, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"the configuration of {name}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
