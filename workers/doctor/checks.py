"""The checks of `inbox doctor`, one function each.

A check gets the settings and returns in a few words what is right. What is wrong it raises: Wrong,
or the error of the library that it asked. It changes nothing, and quotes no secret.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka import TopicPartition

from db.connect import connect
from db.installation import Installation, load_installation, load_used_topics
from db.migrate import migrations, verify
from db.positions import Partition, stored_positions
from schemas.catalog import INBOUND
from workers.kafka.clients import new_consumer, stop_consumer
from workers.kafka.installation import contradictions, differences, installation_of
from workers.kafka.topic_admin import count_brokers, count_partitions, verify_topics
from workers.settings import Settings, required

APPLICATION = "inbox doctor"


class Wrong(Exception):
    """Something is not as it must be. The message says what, in one line."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the output."""

    name: str
    run: Callable[[Settings], Awaitable[str]]
    advice: str
    """What to do when it fails."""
    needs: tuple[str, ...] = ()
    """The checks without which this one can find out nothing."""


async def check_settings(settings: Settings) -> str:
    """Both servers are named; that each value can be read was found out before."""
    required(settings.kafka, "INBOX_KAFKA")
    required(settings.database_url, "INBOX_DATABASE_URL")
    return f"topics {settings.topic_prefix}*, {settings.partitions} partitions"


async def check_kafka(settings: Settings) -> str:
    """A broker answers, and lets us in."""
    return f"answers, brokers: {await count_brokers(settings)}"


async def check_topics(settings: Settings) -> str:
    """Every topic is there, with its partitions and its configuration."""
    await verify_topics(settings)
    return "all are as they must be"


async def check_postgres(settings: Settings) -> str:
    """Postgres answers, and lets us in."""
    connection = await connect(_database(settings), APPLICATION)
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    return f"answers, version {version.major}.{version.minor}"


async def check_schema(settings: Settings) -> str:
    """The database is at the migration that this program needs."""
    connection = await connect(_database(settings), APPLICATION)
    try:
        await verify(connection)
    finally:
        await connection.close()
    return f"migration {len(migrations())}"


async def check_api(settings: Settings) -> str:
    """The API's own user of Postgres, where there is one, gets in and has its rights."""
    if settings.given_api_database_url is None:
        return "has no user of its own in Postgres"
    connection = await connect(settings.given_api_database_url, APPLICATION)
    try:
        await verify(connection)
    finally:
        await connection.close()
    return "its own user may read the database"


async def check_installation(settings: Settings) -> str:
    """The database belongs to the topics of the settings."""
    connection = await connect(_database(settings), APPLICATION)
    try:
        stored = await load_installation(connection)
        used = await load_used_topics(connection)
    finally:
        await connection.close()
    if stored is None:
        found = contradictions(used, Installation(settings.topic_prefix, settings.partitions, ""))
    else:
        found = differences(stored, await installation_of(settings))
    if found:
        raise Wrong(f"the database belongs to other topics: {'; '.join(found)}")
    if stored is None:
        return "no worker has started yet: the first one makes the database its own"
    return f"the database belongs to {stored.topic_prefix}* of this Kafka"


async def check_positions(settings: Settings) -> str:
    """The logs have every record from our positions on."""
    connection = await connect(_database(settings), APPLICATION)
    try:
        positions = await stored_positions(connection, [settings.topic(name) for name in INBOUND])
    finally:
        await connection.close()
    logs = await _logs(settings)
    lost = {
        partition: beginning - positions.get(partition, 0)
        for partition, (beginning, _) in logs.items()
        if beginning > positions.get(partition, 0)
    }
    foreign = [one for one, (_, end) in logs.items() if positions.get(one, 0) > end]
    if foreign:
        topic, number = foreign[0]
        raise Wrong(
            f"{topic}[{number}] is applied up to {positions[topic, number]}, but its log ends at "
            f"{logs[topic, number][1]}: this Kafka and this Postgres are not of one history"
        )
    if lost:
        topic, number = next(iter(lost))
        raise Wrong(
            f"Kafka deleted up to {sum(lost.values())} records before a worker read them, in "
            f"{len(lost)} partitions such as {topic}[{number}]"
        )
    lag = sum(end - positions.get(partition, 0) for partition, (_, end) in logs.items())
    return f"no unread record was deleted; at most {lag} wait"


async def _logs(settings: Settings) -> dict[Partition, tuple[int, int]]:
    """Return where the log of each partition that workers read begins and ends.

    Raises Wrong when a topic is missing: nothing is known of its records.
    """
    inbound = {settings.topic(name) for name in INBOUND}
    counts = await count_partitions(settings)
    partitions = [
        TopicPartition(topic, number)
        for topic, count in counts.items()
        if topic in inbound
        for number in range(count.actual)
    ]
    if missing := sorted(inbound - counts.keys()):
        raise Wrong(f"{missing[0]}: no such topic, or not one that this user may see")
    consumer = new_consumer(settings)
    try:
        await consumer.start()
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
    finally:
        await stop_consumer(consumer)
    return {(one.topic, one.partition): (beginnings[one], ends[one]) for one in partitions}


def _database(settings: Settings) -> str:
    return required(settings.database_url, "INBOX_DATABASE_URL")


CHECKS = (
    Check("settings", check_settings, "set it in the environment; `inbox config` shows all"),
    Check(
        "kafka",
        check_kafka,
        "see whether INBOX_KAFKA and INBOX_KAFKA_SECURITY_* are right, and the brokers reachable",
        ("settings",),
    ),
    Check(
        "topics",
        check_topics,
        "`inbox topics` creates what is missing and prints all differences; "
        "the rest is changed with Kafka's own tools",
        ("kafka",),
    ),
    Check(
        "postgres",
        check_postgres,
        "see whether INBOX_DATABASE_URL is right, and the server reachable",
        ("settings",),
    ),
    Check("schema", check_schema, "docs/operating.md, 'What runs'", ("postgres",)),
    Check(
        "api",
        check_api,
        "see whether INBOX_API_DATABASE_URL is right; `inbox migrate` grants the rights",
        ("schema",),
    ),
    Check(
        "database",
        check_installation,
        "docs/operating.md, 'Another Kafka, prefix or number of partitions'",
        ("kafka", "schema"),
    ),
    Check(
        "positions",
        check_positions,
        "docs/operating.md, 'Records that Kafka deleted' and 'When servers are away'",
        ("database",),
    ),
)
