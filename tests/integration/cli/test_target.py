"""A command says first what it works on, and refuses a database of other topics."""

from dataclasses import replace

import pytest

from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import message
from tests.harness.topics import Topics, create_topics
from tests.harness.worker import Worker
from workers.kafka.installation import installation_of
from workers.settings import Settings

SINCE = ("reconcile", "--since", "1h")
CONTACT = ("erase", "--account", "acme", "--contact", "whatsapp:+4911")
REDRIVE = ("dead-letters", "redrive", "--all")

CHANGING = [("send",), ("topics",), SINCE, (*CONTACT, "--yes"), REDRIVE]
LOOKING = [(*SINCE, "--dry-run"), CONTACT, (*REDRIVE, "--dry-run"), ("dead-letters", "list")]

SENT = message("whatsapp:+4911").value


async def write(owner: Owner, settings: Settings, cluster_id: str | None = None) -> str:
    """Write whose a database is, as a worker does. Returns the cluster's id."""
    mine = await installation_of(settings)
    await owner.execute(
        "INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)"
        " VALUES ($1, $2, $3)",
        *mine._replace(kafka_cluster_id=cluster_id or mine.kafka_cluster_id),
    )
    return mine.kafka_cluster_id


@pytest.mark.parametrize("command", [*CHANGING, ("migrate",)], ids=" ".join)
async def test_a_command_that_changes_something_names_topics_and_database_first(
    settings: Settings, command: tuple[str, ...]
) -> None:
    done = await inbox(settings, *command, stdin=SENT)
    database = str(settings.database_url).rpartition("/")[2]
    assert done.target.startswith(f"topics: {settings.topic_prefix}*, database: {database} at ")
    assert "secret" not in done.target + done.err
    # What scripts read is as it was.
    assert "topics: " not in done.out


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
async def test_a_command_that_changes_nothing_names_nothing(
    settings: Settings, command: tuple[str, ...]
) -> None:
    assert (await inbox(settings, *command)).target == ""


@pytest.mark.parametrize("command", CHANGING + LOOKING, ids=" ".join)
async def test_a_command_refuses_a_database_of_other_topics(
    settings: Settings, topics: Topics, owner: Owner, command: tuple[str, ...]
) -> None:
    await write(owner, replace(settings, topic_prefix="theirs.", partitions=9))
    refused = await inbox(settings, *command, stdin=SENT)
    assert (refused.status, refused.out) == (2, "")
    [line] = refused.err.splitlines()
    assert line.startswith("inbox: this database belongs to other topics: ")
    assert f"INBOX_TOPIC_PREFIX is theirs. in the database, and {settings.topic_prefix}" in line
    assert "INBOX_PARTITIONS is 9 in the database, and 4 here" in line
    assert await topics.read("messages.received") == []


@pytest.mark.parametrize("command", CHANGING + LOOKING, ids=" ".join)
async def test_a_command_refuses_a_database_of_another_cluster(
    settings: Settings, owner: Owner, command: tuple[str, ...]
) -> None:
    mine = await write(owner, settings, "theirs")
    refused = await inbox(settings, *command, stdin=SENT)
    assert (refused.status, refused.out) == (2, "")
    assert f"the id of the Kafka cluster is theirs in the database, and {mine} here" in refused.err


async def test_events_are_sent_while_postgres_is_away(settings: Settings, topics: Topics) -> None:
    away = replace(settings, database_url="postgresql://inbox_worker@127.0.0.1:1/inbox")
    sent = await inbox(away, "send", stdin=SENT)
    assert sent.status == 0
    assert "not checked whether they belong together: Postgres: " in sent.err
    assert len(await topics.read("messages.received")) == 1


async def test_events_are_sent_without_a_database(settings: Settings, topics: Topics) -> None:
    none = replace(settings, database_url=None, given_migration_database_url=None)
    sent = await inbox(none, "send", stdin=SENT)
    assert sent.status == 0
    assert sent.target == f"topics: {settings.topic_prefix}*, database: none"
    assert len(await topics.read("messages.received")) == 1


async def test_with_the_settings_of_the_worker_all_is_well(
    settings: Settings, worker: Worker, topics: Topics
) -> None:
    assert (await inbox(settings, "send", stdin=SENT)).status == 0
    await topics.read_until("conversations", 2)
    other = replace(settings, topic_prefix=f"{settings.topic_prefix}b.")
    await create_topics(other)
    assert (await inbox(other, "send", stdin=SENT)).status == 2
