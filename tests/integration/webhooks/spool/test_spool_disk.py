"""The spool on a worker's disk: when the spool or the disk is full, and when the worker is dead."""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.harness.spool import (
    Scene,
    hanging,
    started,
    until_drained,
)
from tests.harness.twilio import CHANNELS, STATUS_PATH, Twilio, form
from tests.harness.waiting import until
from tests.harness.webhook_stream import first_of_each
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port

pytestmark = pytest.mark.busy


async def test_a_full_spool_is_503_until_it_is_drained(scene: Scene) -> None:
    taken: list[str] = []
    numbers = count(1)

    async def post() -> int:
        sid = f"SM{next(numbers):032d}"
        status = await scene.twilio.post(form(MessageSid=sid, Body="x" * 5000))
        if status == 204:
            taken.append(sid)
        return status

    async def refused() -> bool:
        status = await post()
        assert status in {204, 503}
        return status == 503

    async with started(replace(scene.settings, spool_bytes=64 * 1024), scene.log) as worker:
        assert await post() == 204
        async with hanging(scene.kafka):
            await until(refused, "a full spool")
            assert 10 < len(taken) < 20
            assert await post() == 503
            # A worker with webhooks in its spool still counts as ready.
            assert await worker.is_ready()
        await until_drained(worker)
        assert await post() == 204
    found = first_of_each(await scene.topics.read("messages.received"))["whatsapp:+4911"]
    assert [sid for sid in found if sid in taken] == taken


async def test_a_living_worker_takes_over_what_a_dead_one_left(scene: Scene) -> None:
    # They share a disk and a public URL, so that signatures for one are valid for the other.
    settings, twilio = scene.settings, scene.twilio
    callbacks = Twilio(settings.public_url, twilio.session, path=STATUS_PATH)
    other = replace(settings, web_port=free_port())
    async with (
        started(other, scene.log) as living,
        started(settings, scene.log.with_name("dead.log")) as dead,
    ):
        async with hanging(scene.kafka):
            sids = [f"SM{number:032d}" for number in range(20)]
            for sid in sids:
                assert await twilio.post(form(MessageSid=sid)) == 204
            status = form(MessageStatus="delivered", From=CHANNELS["wa1"], To="whatsapp:+4911")
            assert await callbacks.post(status, query="?a=4") == 200
            # Frozen, it still has its slot, so that nobody takes it over while the file is torn.
            dead.signal(signal.SIGSTOP)
            tear(settings.data_dir)
            dead.kill()
        records = await scene.topics.read_until("messages.received", lambda all_: len(all_) >= 20)
        assert first_of_each(records) == {"whatsapp:+4911": sids}
        [receipt] = await scene.topics.read_until("messages.status", 1)
        assert (receipt.data["status"], receipt.data["attempt"]) == ("delivered", 4)
        await until_drained(living)
    assert "is taken over" in scene.log.read_text()


def tear(data_dir: Path) -> None:
    """Append the beginning of a record to a worker's segment, as a power cut may leave one."""
    [segment] = data_dir.glob("spool/slot-*/*.segment")
    written = segment.read_bytes()
    with segment.open("ab") as file:
        file.write(written[: len(written) // 3])


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
async def test_a_disk_that_takes_no_more_is_503_and_the_worker_goes_on(scene: Scene) -> None:
    async with started(scene.settings, scene.log) as worker:
        async with hanging(scene.kafka), full_disk(worker):
            posting = (scene.twilio.post(form(MessageSid=f"SMa{number}")) for number in range(5))
            assert set(await asyncio.gather(*posting)) == {503}
        async with hanging(scene.kafka):
            assert await scene.twilio.post(form(MessageSid="SMb")) == 204
        await until_drained(worker)
        # Kafka is up, so that the disk is not needed.
        async with full_disk(worker):
            assert await scene.twilio.post(form(MessageSid="SMc")) == 204
    found = first_of_each(await scene.topics.read("messages.received"))["whatsapp:+4911"]
    assert [sid for sid in found if sid in {"SMb", "SMc"}] == ["SMb", "SMc"]


@asynccontextmanager
async def full_disk(worker: Worker) -> AsyncIterator[None]:
    """While the context lasts, the kernel refuses to make any file of a worker longer."""
    process, limit = worker.process.pid, resource.RLIMIT_FSIZE
    soft, hard = resource.prlimit(process, limit)
    resource.prlimit(process, limit, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(process, limit, (soft, hard))
