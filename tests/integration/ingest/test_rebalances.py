"""Records that come while partitions change hands are applied, though no other record follows."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.conftest import PARTITIONS
from tests.harness.dead_letters import Owner
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

SLOW = """
import asyncio, os
from pathlib import Path
from workers.cli import main
from workers.ingest.positions import Positions
from workers.ingest.transport import ConsumerThread

signs = Path(os.environ["SIGNS"])
check, fetch = Positions.check_against, ConsumerThread._fetch_records
checks = 0

async def slow_check(self, positions, ends):
    global checks
    checks += 1
    if checks == 2:
        (signs / "sought").touch()
        while not (signs / "go-on").exists():
            await asyncio.sleep(0.02)
    await check(self, positions, ends)

async def long_fetch(self, consumer, partitions, timeout=None, max_records=None):
    polls = await fetch(self, consumer, partitions, 60.0, max_records)
    if (signs / "sought").exists():
        (signs / "fetched").touch()
    return polls

Positions.check_against, ConsumerThread._fetch_records = slow_check, long_fetch
main()
"""
"""A worker whose fetch goes on for as long as nothing comes, and outlasts a rebalance; which after
its second rebalance has sought all positions, and takes time until it reads."""


class SlowWorker(Worker):
    """A worker that takes time after a rebalance. It signs in a directory."""

    def _fork(self) -> subprocess.Popen[bytes]:  # type: ignore[override]  # with the same methods
        environment = os.environ | self.settings.environment() | {"SIGNS": str(self.log.parent)}
        command = [sys.executable, "-c", SLOW, "worker", "--roles", self._roles]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


async def test_what_is_fetched_before_a_rebalance_is_over_is_applied_though_nothing_follows(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    slow = SlowWorker(settings, tmp_path / "slow.log")
    other = Worker(replace(settings, web_port=free_port()), tmp_path / "other.log")

    async def signed(name: str) -> None:
        async def signed() -> bool:
            return (tmp_path / name).exists()

        await until(signed, f"the sign {name}")

    async def applied() -> bool:
        topic = settings.topic("links")
        rows = await owner.fetch("SELECT next_offset FROM inbox.positions WHERE topic = $1", topic)
        return [row[0] for row in rows] == [1] * PARTITIONS

    await slow.start()
    try:
        await other.start(ready=False)
        await signed("sought")
        for partition in range(PARTITIONS):
            await topics.publish_raw("links", b"x", partition=partition)
        await signed("fetched")
        (tmp_path / "go-on").touch()
        await until(applied, "one record of each partition applied")
    finally:
        slow.kill()
        await other.stop()
