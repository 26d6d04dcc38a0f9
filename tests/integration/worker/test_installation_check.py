"""A database belongs to the topics of the first worker that starts; a worker of others ends."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from db.installation import Installation, load_installation
from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import channel, message
from tests.harness.sending_inbox import SENDER, WITHOUT_SEND, serving
from tests.harness.topics import Topics, create_topics
from tests.harness.waiting import until
from tests.harness.webhook_forms import messages
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.kafka.installation import installation_of
from workers.settings import Settings

EXIT_SOFTWARE = 70


async def stored(owner: Owner) -> Installation | None:
    return await load_installation(owner)


async def ended(worker: Worker) -> tuple[int, str]:
    """Returns the status of a worker that ends by itself, and the last line of its log."""
    await worker.start(ready=False)
    status = await asyncio.to_thread(worker.process.wait, 60)
    return status, worker.log.read_text().splitlines()[-1]


async def test_the_first_worker_writes_its_topics(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    assert await stored(owner) == await installation_of(settings)


@pytest.mark.parametrize("roles", ["ingest,relay,send,web", "ingest", "relay", "send", "web"])
async def test_a_worker_with_another_prefix_ends_before_it_does_anything(
    settings: Settings, worker: Worker, topics: Topics, owner: Owner, roles: str
) -> None:
    prefix, log = settings.topic_prefix, worker.log.with_suffix(".other")
    other = replace(settings, topic_prefix=f"{prefix}other.", web_port=free_port())
    await create_topics(other)
    async with Topics(other) as other_topics:
        await other_topics.publish(message("whatsapp:+4922"))
        status, line = await ended(Worker(other, log, roles))
        assert status == EXIT_SOFTWARE
        assert f"INBOX_TOPIC_PREFIX is {prefix} in the database, and {prefix}other. here" in line
        assert "INBOX_PARTITIONS is" not in line
        assert "Traceback" not in log.read_text()
        # The worker of these topics goes on, and each of its events is there once.
        await topics.publish(message("whatsapp:+4911"))
        assert len(await topics.read_until("conversations", 2)) == 2
        assert await other_topics.read("conversations") == []
    assert [row["sender_address"] for row in await messages(owner, 1)] == ["whatsapp:+4911"]


async def test_a_worker_with_another_number_of_partitions_ends(
    settings: Settings, worker: Worker, tmp_path: Path
) -> None:
    other = replace(settings, partitions=8, web_port=free_port())
    status, line = await ended(Worker(other, tmp_path / "other.log"))
    assert status == EXIT_SOFTWARE
    assert "INBOX_PARTITIONS is 4 in the database, and 8 here" in line
    assert "INBOX_TOPIC_PREFIX is" not in line


async def test_a_worker_that_reads_ends_with_1_without_kafka(
    settings: Settings, tmp_path: Path
) -> None:
    nowhere = replace(settings, kafka=("127.0.0.1:1",))
    worker = Worker(nowhere, tmp_path / "worker.log")
    status, _ = await ended(worker)
    assert status == 1
    assert "KafkaConnectionError" in worker.log.read_text()


@pytest.mark.parametrize("roles", ["ingest,relay,web", "send", "web"])
@pytest.mark.parametrize("cluster_id", ["of-another-kafka", ""])
async def test_a_worker_on_another_cluster_ends(
    settings: Settings, owner: Owner, tmp_path: Path, roles: str, cluster_id: str
) -> None:
    mine = await installation_of(settings)
    await owner.execute(
        "INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)"
        " VALUES ($1, $2, $3)",
        *mine._replace(kafka_cluster_id=cluster_id),
    )
    status, line = await ended(Worker(settings, tmp_path / "other.log", roles))
    assert status == EXIT_SOFTWARE
    assert (
        f"the id of the Kafka cluster is {cluster_id or 'none'} in the database, "
        f"and {mine.kafka_cluster_id} here"
    ) in line


async def test_of_two_workers_that_start_at_once_exactly_one_wins(
    settings: Settings, owner: Owner, tmp_path: Path
) -> None:
    other = replace(settings, topic_prefix=f"{settings.topic_prefix}b.", web_port=free_port())
    await create_topics(other)
    both = [Worker(each, tmp_path / f"{each.topic_prefix}log") for each in (settings, other)]
    await asyncio.gather(*(worker.start(ready=False) for worker in both))

    async def decided() -> list[int]:
        statuses = [worker.process.poll() for worker in both]
        return [status for status in statuses if status is not None]

    assert await until(decided, "the end of one worker") == [EXIT_SOFTWARE]
    [winner] = [worker for worker in both if worker.process.poll() is None]
    await until(winner.is_ready, "the other worker, ready")
    assert await stored(owner) == await installation_of(winner.settings)
    assert await winner.stop() == 0


async def test_a_database_that_was_used_before_belongs_to_the_first_worker_too(
    settings: Settings, worker: Worker, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    # As after an update from a version that wrote no row.
    await topics.publish(channel(SENDER, installed_by="ana"), message("whatsapp:+4911"))
    await messages(owner, 1)
    assert await worker.stop() == 0
    await owner.execute("DELETE FROM inbox.installation")
    prefix = settings.topic_prefix
    # One prefix begins with the other, in both directions.
    for name in (f"{prefix}b.", prefix[:-2], "inbox."):
        other = replace(settings, topic_prefix=name, web_port=free_port())
        status, line = await ended(Worker(other, tmp_path / "other.log", "send"))
        assert status == EXIT_SOFTWARE
        assert f"INBOX_TOPIC_PREFIX is {name} here, but the database has positions of" in line
        assert f" {prefix}" in line
        assert "INBOX_PARTITIONS" not in line
    fewer = replace(settings, partitions=3, web_port=free_port())
    status, line = await ended(Worker(fewer, tmp_path / "fewer.log"))
    assert status == EXIT_SOFTWARE
    assert "INBOX_PARTITIONS is 3 here, but the database has positions of 4 partitions" in line
    assert "INBOX_TOPIC_PREFIX" not in line
    doctor = await inbox(fewer, "doctor")
    assert "the database has positions of 4 partitions" in doctor.out
    command = await inbox(fewer, "topics")
    assert (command.status, "the database has positions of 4" in command.err) == (2, True)
    assert await stored(owner) is None
    again = Worker(settings, tmp_path / "again.log")
    await again.start()
    assert await stored(owner) == await installation_of(settings)
    assert await again.stop() == 0


async def test_a_sender_on_another_cluster_ends_before_it_posts_anything(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    # As a copy of a database does that has the original's prefix, but a Kafka of its own.
    async with serving(settings, topics, owner, tmp_path / "worker.log", WITHOUT_SEND) as sending:
        await sending.reply("a")
        await sending.until_states(queued=1)
        await owner.execute("UPDATE inbox.installation SET kafka_cluster_id = 'lost'")
        copy = replace(sending.settings, web_port=free_port())
        status, line = await ended(Worker(copy, tmp_path / "copy.log", "send"))
        assert status == EXIT_SOFTWARE
        assert "the id of the Kafka cluster is lost in the database" in line
        await sending.until_states(queued=1)
        assert sending.posted() == []


async def test_a_sender_goes_by_the_settings_while_kafka_does_not_answer(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    async with serving(settings, topics, owner, tmp_path / "worker.log", WITHOUT_SEND) as sending:
        await sending.reply("a")
        await sending.until_states(queued=1)
        async with sending.sender(kafka=("127.0.0.1:1",)):
            await sending.until_states(accepted=1)
        assert sending.posted() == ["a"]
