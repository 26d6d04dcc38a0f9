"""Each role starts as its container starts it, and keeps webhooks on the volume in an outage."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bench.runs.processes import log_tail
from tests.harness.api import trusting
from tests.harness.container import ContainerWorker, can_mount, image, user_id
from tests.harness.inbox import Owner
from tests.harness.input_events import channel, message, user
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio, form
from tests.harness.webhook_forms import install
from workers.dev.embedded.ports import HOST, free_port
from workers.settings import Settings

ACCOUNT_SID = "AC00000000000000000000000000000000"
"""Of the settings of all tests."""

ADVICE = (
    "webhooks are kept there in an outage, so mount a volume that this user may write, or give it "
    "the directory with `chown -R`"
)

ROLES = ("ingest", "relay", "send", "web", "api")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The volume, which belongs to the user of the image."""
    path = tmp_path / "volume"
    path.mkdir(mode=0o700)
    give_away(path)
    return path


def give_away(path: Path) -> None:
    """Give a file to the user of the image."""
    if can_mount():
        os.chown(path, *map(int, image().user.split(":")))


async def test_each_role_starts_and_they_work_together(
    settings: Settings, topics: Topics, tmp_path: Path, volume: Path
) -> None:
    workers = [
        ContainerWorker(
            replace(trusting(settings), web_port=free_port()),
            tmp_path / f"{role}.log",
            role,
            volume,
        )
        for role in ROLES
    ]
    try:
        for worker in workers:
            await worker.start()
            assert worker.user_ids == {user_id()}
        await topics.publish(user("ana"), channel(CHANNELS["wa1"]), message("whatsapp:+4911"))
        await topics.read_until("conversations", 2)
    finally:
        for worker in workers:
            await worker.stop()
    # Nothing of Faust's, no caches: the spool alone.
    assert os.listdir(volume) == ["spool"]


async def test_webhooks_of_an_outage_are_kept_on_the_volume_and_delivered_later(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path, volume: Path
) -> None:
    nobody = replace(settings, kafka=(f"{HOST}:{free_port()}",))
    log = tmp_path / "web.log"
    before, after = (ContainerWorker(each, log, "web", volume) for each in (nobody, settings))
    kept = form(AccountSid=ACCOUNT_SID, Body="kept")
    await before.start()
    try:
        async with aiohttp.ClientSession() as session:
            assert await Twilio(settings.public_url, session).post(kept) == 204
        assert "inbox_spool_records 1.0" in await before.metrics()
    finally:
        await before.stop()
    ingest = ContainerWorker(
        replace(settings, web_port=free_port()), tmp_path / "ingest.log", "ingest,relay", volume
    )
    try:
        await ingest.start()
        await install(topics, owner, {"wa1": CHANNELS["wa1"]})
        await after.start()
        records = await topics.read_until("messages.received", 1)
        assert [record.data["body"] for record in records] == ["kept"]
        await topics.read_until("conversations", 2)
    finally:
        await after.stop()
        await ingest.stop()


def of_another_user(volume: Path) -> None:
    """Make the volume one that the user of the image cannot write."""
    volume.chmod(0o500)
    if can_mount():
        os.chown(volume, 0, 0)


def with_a_slot_of_another_user(volume: Path) -> None:
    """Leave a slot that the user of the image cannot write, as after a change of the user."""
    for path in (volume / "spool", volume / "spool" / "slot-0"):
        path.mkdir(mode=0o700)
    give_away(volume / "spool")
    (volume / "spool" / "slot-0").chmod(0o500)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [(of_another_user, "spool"), (with_a_slot_of_another_user, "spool/slot-0")],
)
async def test_a_volume_of_another_user_is_told_at_the_start(
    database: Settings, tmp_path: Path, volume: Path, spoil: Callable[[Path], None], where: str
) -> None:
    spoil(volume)
    worker = worker_without_kafka(database, tmp_path, volume)
    told = await the_end_of(worker)
    assert told == (
        f"inbox: INBOX_DATA_DIR: user {user_id()} cannot use {worker.settings.data_dir / where}: "
        f"Permission denied; {ADVICE}\n"
    )


async def test_a_volume_that_is_mounted_read_only_is_told_at_the_start(
    database: Settings, tmp_path: Path, volume: Path
) -> None:
    worker = worker_without_kafka(database, tmp_path, volume, read_only=True)
    told = await the_end_of(worker)
    # Where nothing can be mounted, the directory is made unwritable.
    reason = "Read-only file system" if can_mount() else "Permission denied"
    assert f"cannot use {worker.settings.data_dir / 'spool'}: {reason}; {ADVICE}\n" in told


async def test_a_role_that_keeps_nothing_on_the_volume_starts_without_it(
    settings: Settings, tmp_path: Path, volume: Path
) -> None:
    of_another_user(volume)
    worker = ContainerWorker(settings, tmp_path / "ingest.log", "ingest", volume)
    await worker.start()
    await worker.stop()


def worker_without_kafka(
    database: Settings, directory: Path, volume: Path, *, read_only: bool = False
) -> ContainerWorker:
    """Returns a worker that receives webhooks, and whose Kafka does not run."""
    if read_only and not can_mount():
        volume.chmod(0o500)
    settings = replace(database, kafka=(f"{HOST}:{free_port()}",), web_port=free_port())
    return ContainerWorker(settings, directory / "web.log", "web", volume, read_only=read_only)


async def the_end_of(worker: ContainerWorker) -> str:
    """Start a worker, wait until it ends with status 2, and return all that it said."""
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == 2, log_tail(worker.log)
    return worker.log.read_text()
