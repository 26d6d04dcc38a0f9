"""Workers die, freeze and are replaced while they work: each thing happens exactly once."""

import asyncio
import signal
import time
from pathlib import Path

import asyncpg
import pytest

from bench.checkers.messages import check
from bench.exactly_once import run
from bench.load.input_events import directory
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.runs.workers import running_workers, until_applied
from tests.harness.waiting import until
from workers.settings import Settings

pytestmark = [pytest.mark.busy, pytest.mark.seconds(30)]

LOAD = MessageLoad(messages=8_000, conversations=200, doubled=0.1, commands=0.1)

SESSION_SECONDS = 10
"""How long the group waits for a member that is silent."""


async def test_a_worker_is_killed_halfway_and_started_again(
    settings: Settings, tmp_path: Path
) -> None:
    counted = await run(settings, LOAD, tmp_path)
    assert counted["messages"] + counted["erased messages"] == LOAD.messages


@pytest.mark.long
async def test_a_worker_freezes_until_others_have_its_work_and_then_goes_on(
    settings: Settings, owner: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    async def started() -> bool:
        return bool(await owner.fetchval("SELECT count(*) > 500 FROM inbox.messages"))

    with running_workers(settings, tmp_path, count=2) as workers:
        known = await publish(settings, directory())
        await until_applied(settings, workers, known)
        total = known + await publish(settings, LOAD.events())
        await until(started, "work in flight")
        workers[0].process.send_signal(signal.SIGSTOP)
        await until_applied(settings, workers[1:], total)
        # What others see of a frozen worker is the end of its session.
        await asyncio.sleep(SESSION_SECONDS)
        workers[0].process.send_signal(signal.SIGCONT)
        more = await publish(
            settings, MessageLoad(messages=500, conversations=20, series=1).events()
        )
        await until_applied(settings, workers, total + more)
    await check(settings)


async def test_a_worker_that_is_told_to_stop_is_gone_within_ten_seconds(
    settings: Settings, tmp_path: Path
) -> None:
    with running_workers(settings, tmp_path, count=2) as workers:
        known = await publish(settings, directory())
        await until_applied(settings, workers, known)
        total = known + await publish(settings, LOAD.events())
        began = time.monotonic()
        workers[0].process.terminate()
        assert await asyncio.to_thread(workers[0].process.wait, 15) == 0
        assert time.monotonic() - began < 10  # a promise of the product, not a speed
        await until_applied(settings, workers[1:], total)
    await check(settings)
