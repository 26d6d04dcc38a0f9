"""A worker that never joins its consumer group ends, even if its other roles work."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from workers.process.watchdog import EXIT_STALLED
from workers.settings import Settings

NEVER_JOINS = """
import asyncio
from aiokafka.consumer.group_coordinator import GroupCoordinator
from workers.settings import Settings
from workers.worker.run import run

async def never(_coordinator):
    await asyncio.Event().wait()

GroupCoordinator.ensure_coordinator_known = never
run(Settings.from_environment(), ["ingest", "relay", "send", "web"])
"""


async def test_a_worker_that_never_joins_its_group_ends_though_its_sender_is_well(
    settings: Settings, tmp_path: Path
) -> None:
    settings = replace(settings, stall_seconds=10, data_dir=tmp_path)
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        NEVER_JOINS,
        env=os.environ | settings.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(worker.communicate(), 120)
    finally:
        if worker.returncode is None:
            worker.kill()
    assert worker.returncode == EXIT_STALLED, said.decode()[-4000:]
    assert "this worker made no progress" in said.decode()
