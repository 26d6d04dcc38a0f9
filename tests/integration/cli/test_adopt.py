"""A database is given to other topics on purpose, while no worker runs."""

from dataclasses import replace
from pathlib import Path

import asyncpg

from db.installation import load_installation
from db.outbox import add_outbox
from tests.harness.command import Completed, inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import message
from tests.harness.logins import own_login
from tests.harness.sending_inbox import WITHOUT_SEND, serving
from tests.harness.topics import Topics, create_topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.kafka.installation import installation_of
from workers.settings import Settings, required


async def adopt(settings: Settings, *arguments: str) -> Completed:
    return await inbox(settings, "adopt", *arguments)


def superuser_of(postgres: EmbeddedPostgres, settings: Settings) -> str:
    """Returns the URL of the superuser in a test's database."""
    name = required(settings.database_url, "database").rpartition("/")[2]
    return f"{postgres.superuser_url.rpartition('/')[0]}/{name}"


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


async def test_nothing_changes_while_a_worker_with_a_login_of_its_own_runs(
    settings: Settings,
    topics: Topics,
    owner: Owner,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    more = replace(settings, partitions=8)
    async with own_login(postgres.superuser_url, settings) as login:
        worker = Worker(login.settings, tmp_path / "worker.log")
        await worker.start()
        refused = await adopt(more, "--positions", "keep", "--yes")
        assert refused.status == 1
        assert refused.err.startswith("inbox: workers run (")
        assert await load_installation(owner) == await installation_of(settings)
        await stop(worker, owner)
    # A superuser and the owner look at the database meanwhile.
    superuser = await asyncpg.connect(superuser_of(postgres, settings))
    done = await adopt(more, "--positions", "keep", "--yes")
    assert (done.status, done.err) == (0, "")
    await superuser.close()


async def test_nothing_changes_while_a_worker_runs_as_the_owner(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    as_owner = replace(settings, database_url=settings.migration_database_url)
    worker = Worker(as_owner, tmp_path / "worker.log")
    await worker.start()
    refused = await adopt(replace(settings, partitions=8), "--positions", "keep", "--yes")
    assert refused.err.startswith("inbox: workers run (")
    assert await worker.stop() == 0


async def test_a_copy_discards_what_its_original_publishes_and_sends(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    copy = replace(settings, topic_prefix=f"{settings.topic_prefix}copy.", web_port=free_port())
    await create_topics(copy)
    async with serving(settings, topics, owner, tmp_path / "worker.log", WITHOUT_SEND) as original:
        await original.reply("a")
        await original.until_states(queued=1)
        await stop(original.worker, owner)
        await owner.execute("UPDATE inbox.outbox_shards SET last_number = last_number + 1")
        await owner.execute(
            "INSERT INTO inbox.outbox (shard, number, records, payload)"
            " SELECT shard, last_number, 2, '' FROM inbox.outbox_shards WHERE shard = 0"
        )
        arguments = ("--positions", "forget", "--discard-outbox")
        line = "to be discarded: 2 events in the outbox, 1 unsent parts of replies"
        shown = await adopt(copy, *arguments)
        assert shown.lines[1:] == [line, "nothing is changed: add --yes to change it"]
        assert len(await original.rows()) == 1
        done = await adopt(copy, *arguments, "--yes")
        assert (done.status, done.lines[1]) == (0, line)
        assert await owner.fetchval("SELECT count(*) FROM inbox.outbox") == 0
        assert await original.rows() == []
        after = Worker(
            replace(original.settings, topic_prefix=copy.topic_prefix, web_port=copy.web_port),
            tmp_path / "copy.log",
            f"{WITHOUT_SEND},send",
        )
        await after.start()
        async with Topics(copy) as copied:
            await copied.publish(message("whatsapp:+4911"))
            assert len(await copied.read_until("conversations", 2)) == 2
        assert await after.stop() == 0
        assert original.posted() == []


async def test_what_is_discarded_is_that_of_a_copy(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    more = replace(settings, partitions=8)
    kept = await adopt(more, "--positions", "keep", "--discard-outbox", "--yes")
    assert kept.status == 2
    assert "--discard-outbox needs --positions forget" in kept.err
    refused = await adopt(more, "--positions", "forget", "--discard-outbox", "--yes")
    assert refused.status == 1
    assert "which gets another prefix or Kafka" in refused.err
    assert await load_installation(owner) == await installation_of(settings)


async def test_positions_of_another_prefix_cannot_be_kept(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    other = replace(settings, topic_prefix=f"{settings.topic_prefix}new.")
    for yes in ((), ("--yes",)):
        refused = await adopt(other, "--positions", "keep", *yes)
        assert refused.status == 1
        assert refused.err.endswith("give --positions forget\n")
        assert await load_installation(owner) == await installation_of(settings)
    # Nor where only the positions tell whose the database is.
    await owner.execute("DELETE FROM inbox.installation")
    assert (await adopt(other, "--positions", "keep", "--yes")).status == 1
    assert (await adopt(other, "--positions", "forget", "--yes")).status == 0
    assert await load_installation(owner) == await installation_of(other)
    assert await owner.fetchval("SELECT count(*) FROM inbox.positions") == 0


async def test_fewer_partitions_than_an_older_version_read_are_adopted_on_purpose(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    await owner.execute("DELETE FROM inbox.installation")
    fewer = replace(settings, partitions=3)
    done = await adopt(fewer, "--positions", "keep", "--yes")
    assert done.lines == [
        "INBOX_PARTITIONS is 3 here, but the database has positions of 4 partitions",
        "the database belongs to the topics given here; positions are kept",
    ]
    assert await load_installation(owner) == await installation_of(fewer)


async def test_rows_of_the_old_topics_are_published_first(
    settings: Settings, worker: Worker, owner: Owner
) -> None:
    await stop(worker, owner)
    await add_outbox(owner, [(0, [])])
    for other in (replace(settings, topic_prefix="b."), replace(settings, partitions=8)):
        refused = await adopt(other, "--positions", "forget", "--yes")
        assert refused.status == 1
        assert refused.err.startswith("inbox: the outbox has rows. If this is a copy ")
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
