"""Two prefixes, each with a database of its own, share a directory on one machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.spool import (
    Scene,
    Servers,
    hanging,
    set_scene,
    settings_of,
    started,
    until_drained,
)
from tests.harness.topics import Topics
from tests.harness.twilio import form
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

pytestmark = pytest.mark.busy

SIDS = [f"SM{number:032d}" for number in range(3)]


@asynccontextmanager
async def other_scene(servers: Servers, scene: Scene, log: Path) -> AsyncIterator[Scene]:
    """Another prefix and another database, with the same directory, and no channels."""
    settings = await settings_of(servers, scene.settings.data_dir)
    async with (
        Topics(settings) as topics,
        set_scene(servers, settings, topics, scene.twilio.session, log) as other,
    ):
        await other.owner.execute("DELETE FROM inbox.channels")
        yield other


def with_new_password(settings: Settings, newer: Settings) -> Settings:
    """Returns settings with the worker's password that the making of newer ones has set."""
    name = str(settings.database_url).rpartition("/")[2]
    login = str(newer.database_url).rpartition("/")[0]
    return replace(settings, database_url=f"{login}/{name}")


async def leave(scene: Scene, settings: Settings) -> None:
    """Have a worker take webhooks to its disk, and die."""
    async with started(settings, scene.log) as worker, hanging(scene.kafka):
        for sid in SIDS:
            assert await scene.twilio.post(form(MessageSid=sid)) == 204
        worker.kill()


async def test_a_worker_leaves_the_webhooks_of_another_prefix_alone(
    servers: Servers, scene: Scene, tmp_path: Path
) -> None:
    await leave(scene, scene.settings)
    async with other_scene(servers, scene, tmp_path / "other.log") as other:
        async with started(other.settings, other.log) as worker:

            async def said() -> bool:
                return "is left alone" in other.log.read_text()

            await until(said, "a line about the slot")
            assert await worker.is_ready()
        assert await other.topics.read("dead-letters") == []
    [label] = scene.settings.data_dir.glob("spool/slot-0/prefix")
    line = (
        f"the worker that took its webhooks had the prefix {scene.settings.topic_prefix} instead. "
        f"If they are this worker's all the same, write {other.settings.topic_prefix} into {label}"
    )
    assert other.log.read_text().count(line) == 1
    # Their own worker takes them when it comes back.
    async with started(with_new_password(scene.settings, other.settings), scene.log) as worker:
        await until_drained(worker)
    assert len(await scene.topics.read("messages.received")) == len(SIDS)
    assert await scene.topics.read("dead-letters") == []


async def test_webhooks_that_were_taken_with_a_wrong_prefix_are_given_to_the_right_one(
    servers: Servers, scene: Scene
) -> None:
    await leave(scene, scene.settings)
    [label] = scene.settings.data_dir.glob("spool/slot-*/prefix")
    label.write_text("wrong.")
    async with started(scene.settings, scene.log):

        async def said() -> bool:
            return f"write {scene.settings.topic_prefix} into {label}" in scene.log.read_text()

        await until(said, "what to do")
    # As `echo` writes it, in the shell of whoever follows the line.
    label.write_text(f"{scene.settings.topic_prefix}\n")
    async with started(scene.settings, scene.log):
        await scene.topics.read_until("messages.received", len(SIDS))
    assert await scene.topics.read("dead-letters") == []


async def test_webhooks_of_a_version_that_wrote_no_prefix_go_to_who_has_their_channel(
    servers: Servers, scene: Scene, tmp_path: Path
) -> None:
    await leave(scene, scene.settings)
    [label] = scene.settings.data_dir.glob("spool/slot-*/prefix")
    label.unlink()
    async with other_scene(servers, scene, tmp_path / "other.log") as other:
        async with started(other.settings, other.log):

            async def said() -> bool:
                return "wrote no prefix" in other.log.read_text()

            await until(said, "a line about the slot")
        assert await other.topics.read("dead-letters") == []
    async with started(with_new_password(scene.settings, other.settings), scene.log):
        await scene.topics.read_until("messages.received", len(SIDS))
    assert await scene.topics.read("dead-letters") == []


async def test_a_worker_of_other_topics_publishes_nothing_of_its_spool(
    servers: Servers, scene: Scene, tmp_path: Path
) -> None:
    await leave(scene, scene.settings)
    # The worker that died may have died before it wrote the row.
    await scene.owner.execute(
        "INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)"
        " VALUES ($1, $2, 'another')"
        " ON CONFLICT (single) DO UPDATE SET kafka_cluster_id = excluded.kafka_cluster_id",
        scene.settings.topic_prefix,
        scene.settings.partitions,
    )
    worker_log = tmp_path / "again.log"
    worker = Worker(scene.settings, worker_log, "web")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == 70
    assert "this database belongs to other topics" in worker_log.read_text()
    assert await scene.topics.read("messages.received") == []
    assert await scene.topics.read("dead-letters") == []
