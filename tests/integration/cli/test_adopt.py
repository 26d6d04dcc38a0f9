"""A database is given to other topics on purpose, while no worker runs."""

from dataclasses import replace
from pathlib import Path

from db.installation import load_installation
from db.outbox import add_outbox
from tests.harness.command import Completed, inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import message
from tests.harness.topics import Topics, create_topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.kafka.installation import installation_of
from workers.settings import Settings


async def adopt(settings: Settings, *arguments: str) -> Completed:
    return await inbox(settings, "adopt", *arguments)


async def stop(worker: Worker, owner: Owner) -> None:
    """Stop a worker once its outbox is empty."""

    async def is_empty() -> bool:
        return not await owner.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")

    await until(is_empty, "an empty outbox")
    assert await worker.stop() == 0


async def test_a_database_goes_on_with_a_new_cluster(
    settings: Settings, worker: Worker, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    # The Kafka is the same one: what makes it another is the id that the database has.
    await topics.publish(message("whatsapp:+4911"))
    await topics.read_until("conversations", 2)
    await stop(worker, owner)
    await owner.execute("UPDATE inbox.installation SET kafka_cluster_id = 'lost'")
    await owner.execute("INSERT INTO inbox.redrives VALUES (0, 0)")
    mine = await installation_of(settings)
    difference = f"the id of the Kafka cluster is lost in the database, and {mine[2]} here"

    shown = await adopt(settings, "--positions", "forget")
    assert (shown.status, shown.lines) == (
        0,
        [difference, "nothing is changed: add --yes to change it"],
    )
    assert await owner.fetchval("SELECT count(*) FROM inbox.positions") > 0

    done = await adopt(settings, "--positions", "forget", "--yes")
    assert done.status == 0, done.err
    assert done.target.startswith(f"topics: {settings.topic_prefix}*, database: ")
    assert done.lines == [
        difference,
        "the database belongs to the topics given here; "
        "positions are forgotten: every topic is read from its start",
    ]
    assert await load_installation(owner) == mine
    assert await owner.fetchval("SELECT count(*) FROM inbox.positions") == 0
    assert await owner.fetchval("SELECT count(*) FROM inbox.redrives") == 0

    again = await adopt(settings, "--positions", "forget", "--yes")
    assert again.lines == ["nothing to change: the database belongs to these topics"]

    # What was applied is read again, and changes nothing.
    after = Worker(settings, tmp_path / "after.log")
    await after.start()
    await topics.publish(message("whatsapp:+4922"))
    assert len(await topics.read_until("conversations", 4)) == 4
    assert await after.stop() == 0


async def test_a_database_goes_on_with_more_partitions_and_keeps_its_positions(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    await owner.execute("UPDATE inbox.positions SET next_offset = 7 WHERE partition = 1")
    more = replace(settings, partitions=8)
    done = await adopt(more, "--positions", "keep", "--yes")
    assert done.lines[-1] == "the database belongs to the topics given here; positions are kept"
    assert await load_installation(owner) == await installation_of(more)
    assert await owner.fetchval("SELECT min(next_offset) FROM inbox.positions") == 0
    assert await owner.fetchval("SELECT max(next_offset) FROM inbox.positions") == 7


async def test_nothing_changes_while_a_worker_runs(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    more = replace(settings, partitions=8)
    refused = await adopt(more, "--positions", "keep", "--yes")
    assert refused.status == 1
    assert refused.err.startswith("inbox: workers run (")
    assert await load_installation(owner) == await installation_of(settings)


async def test_rows_of_the_old_topics_are_published_first(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    await add_outbox(owner, [(0, [])])
    for other in (replace(settings, topic_prefix="b."), replace(settings, partitions=8)):
        refused = await adopt(other, "--positions", "keep", "--yes")
        assert refused.status == 1
        assert refused.err.startswith("inbox: the outbox has rows: ")
    # With a new cluster they are published there.
    await owner.execute("UPDATE inbox.installation SET kafka_cluster_id = 'lost'")
    assert (await adopt(settings, "--positions", "keep", "--yes")).status == 0
    assert await load_installation(owner) == await installation_of(settings)


async def test_a_database_that_belongs_to_none_is_left_to_the_first_worker(
    settings: Settings, owner: Owner
) -> None:
    refused = await adopt(settings, "--positions", "keep", "--yes")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == (
        "inbox: this database belongs to no topics yet: the first worker writes its\n"
    )
    assert await load_installation(owner) is None


async def test_the_worker_of_another_prefix_starts_after_the_adoption(
    settings: Settings, worker: Worker, owner: Owner, tmp_path: Path
) -> None:
    await stop(worker, owner)
    prefix = f"{settings.topic_prefix}new."
    other = replace(settings, topic_prefix=prefix, web_port=free_port())
    await create_topics(other)
    assert (await adopt(other, "--positions", "forget", "--yes")).status == 0
    after = Worker(other, tmp_path / "after.log")
    await after.start()
    async with Topics(other) as topics:
        await topics.publish(message("whatsapp:+4911"))
        assert len(await topics.read_until("conversations", 2)) == 2
    assert await after.stop() == 0
