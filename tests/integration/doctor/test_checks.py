"""`inbox doctor` against real servers: what it finds right, and what wrong."""

from dataclasses import replace

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete

from tests.conftest import PARTITIONS
from tests.harness.command import Completed, environment_without_settings, inbox, run
from tests.harness.topics import Topics
from tests.harness.waiting import until
from workers.kafka.clients import client_arguments
from workers.kafka.topic_admin import count_partitions
from workers.settings import Settings

NAMES = ["settings", "kafka", "topics", "postgres", "schema", "api", "database", "positions"]
NOWHERE = "127.0.0.1:1"


def verdicts(ended: Completed) -> dict[str, str]:
    """Returns the verdict of each check, in order. There is nothing but their lines."""
    assert ended.err == ""
    return {line.split()[1]: line.split()[0] for line in ended.lines}


def line_of(ended: Completed, name: str) -> str:
    """Returns the line of a check."""
    [line] = [line for line in ended.lines if line.split()[1] == name]
    return line


async def test_all_is_right(settings: Settings) -> None:
    ended = await inbox(settings, "doctor")
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok")
    assert ended.status == 0
    assert ended.lines[-1] == "ok     positions  no unread record was deleted; at most 0 wait"


async def test_a_wrong_and_a_missing_setting(settings: Settings) -> None:
    wrong = await run(environment_without_settings() | {"INBOX_PARTITIONS": "many"}, "doctor")
    missing = await run(environment_without_settings(), "doctor")
    for ended, what in ((wrong, "INBOX_PARTITIONS"), (missing, "INBOX_KAFKA")):
        assert ended.status == 1
        assert verdicts(ended) == {name: "-" for name in NAMES} | {"settings": "WRONG"}
        assert what in line_of(ended, "settings")


async def test_kafka_is_away(settings: Settings) -> None:
    ended = await inbox(replace(settings, kafka=(NOWHERE,)), "doctor")
    assert ended.status == 1
    wrong = {"kafka": "WRONG", "topics": "-", "database": "-", "positions": "-"}
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok") | wrong


async def test_postgres_is_away_or_refuses(settings: Settings) -> None:
    url = settings.database_url or ""
    away = f"postgresql://me:s3cr3t@{NOWHERE}/db"
    refuses = url.replace("worker-secret", "s3cr3t")
    assert refuses != url
    for given in (away, refuses):
        ended = await inbox(replace(settings, database_url=given), "doctor")
        assert ended.status == 1
        assert verdicts(ended) == dict.fromkeys(NAMES, "-") | {
            "settings": "ok",
            "kafka": "ok",
            "topics": "ok",
            "postgres": "WRONG",
        }
        assert "s3cr3t" not in ended.out


async def test_a_database_that_is_not_migrated(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("DROP SCHEMA inbox CASCADE")
    ended = await inbox(settings, "doctor")
    assert ended.status == 1
    wrong = {"schema": "WRONG", "api": "-", "database": "-", "positions": "-"}
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok") | wrong
    assert "run `inbox migrate`" in line_of(ended, "schema")


async def test_the_api_s_own_user_has_no_rights(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("REVOKE USAGE ON SCHEMA inbox FROM inbox_api")
    ended = await inbox(settings, "doctor")
    assert ended.status == 1
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok") | {"api": "WRONG"}
    assert "run `inbox migrate`, which grants them" in line_of(ended, "api")
    without = await inbox(replace(settings, given_api_database_url=None), "doctor")
    assert without.status == 0
    assert "has no user of its own" in line_of(without, "api")


async def test_a_database_that_belongs_to_other_topics(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute(
        "INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)"
        " VALUES ('theirs.', $1, 'another')",
        settings.partitions,
    )
    ended = await inbox(settings, "doctor")
    assert ended.status == 1
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok") | {"database": "WRONG", "positions": "-"}
    line = line_of(ended, "database")
    assert f"INBOX_TOPIC_PREFIX is theirs. in the database, and {settings.topic_prefix}" in line
    assert "the id of the Kafka cluster is another in the database" in line


async def test_topics_that_are_missing_or_differ(settings: Settings) -> None:
    fresh = replace(settings, topic_prefix=settings.topic_prefix + "fresh.")
    missing = await inbox(fresh, "doctor")
    wrong = {"topics": "WRONG", "positions": "WRONG"}
    assert verdicts(missing) == dict.fromkeys(NAMES, "ok") | wrong
    for name in wrong:
        assert f"{fresh.topic('assignments')}: no such topic, or " in line_of(missing, name)

    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        name = settings.topic("links")
        await admin.create_partitions({name: NewPartitions(total_count=PARTITIONS + 1)})
    finally:
        await admin.close()

    async def known() -> bool:
        return (await count_partitions(settings))[name].actual > PARTITIONS

    await until(known, "the new partition")
    ended = await inbox(settings, "doctor")
    assert ended.status == 1
    assert verdicts(ended) == dict.fromkeys(NAMES, "ok") | {"topics": "WRONG"}
    different = f"{name}: partitions is {PARTITIONS + 1}, must be {PARTITIONS} -> "
    assert different in line_of(ended, "topics")


async def test_records_that_were_deleted_before_they_were_read(
    settings: Settings, topics: Topics, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name = settings.topic("links")
    for _ in range(3):
        await topics.publish_raw("links", b"x", partition=1)
    await owner.execute("INSERT INTO inbox.positions VALUES ($1, 1, 1)", name)
    waiting = await inbox(settings, "doctor")
    assert (waiting.status, waiting.lines[-1].split("; ")[-1]) == (0, "at most 2 wait")

    admin = AIOKafkaAdminClient(**client_arguments(settings))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(name, 1): RecordsToDelete(3)})
    finally:
        await admin.close()
    lost = await inbox(settings, "doctor")
    assert (lost.status, verdicts(lost)["positions"]) == (1, "WRONG")
    assert (
        f"deleted up to 2 records before a worker read them, in 1 partitions such as {name}[1]"
        in (line_of(lost, "positions"))
    )


async def test_a_position_beyond_its_log(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await owner.execute("INSERT INTO inbox.positions VALUES ($1, 0, 7)", settings.topic("links"))
    ended = await inbox(settings, "doctor")
    assert (ended.status, verdicts(ended)["positions"]) == (1, "WRONG")
    assert "is applied up to 7, but its log ends at 0" in line_of(ended, "positions")
