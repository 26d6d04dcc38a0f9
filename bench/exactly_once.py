"""Checks that everything happens once when one of two workers is killed and started again.

    python -m bench.exactly_once [--messages 200000] [--conversations 5000] [--seed 1]

The worker is killed (SIGKILL) when half of the records are applied. Prints messages per second and
what was counted. Exits with 1 when a promise was broken.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bench.checkers.messages import check
from bench.checkers.tables import owner_connection
from bench.load.input_events import directory
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from workers.dev.stack import stack
from workers.settings import Settings


async def run(settings: Settings, load: MessageLoad, path: Path) -> dict[str, float]:
    """Preload, run, kill, and check. Returns what was measured. Raises Broken."""
    known = await publish(settings, directory())
    with running_workers(settings, path) as workers:
        await until_applied(settings, workers, known)
    total = known + await publish(settings, load.events())
    began = time.monotonic()
    with running_workers(settings, path, count=2) as workers:
        await _kill_halfway(settings, workers, total // 2)
        ended = await until_applied(settings, workers, total)
    counted = await check(settings)
    return {"messages per second": load.messages / (ended - began), **counted}


async def _kill_halfway(settings: Settings, workers: list[WorkerProcess], half: int) -> None:
    applied = "SELECT sum(next_offset) FROM inbox.positions"
    async with owner_connection(settings) as connection:
        while await connection.fetchval(applied) < half:
            for worker in workers:
                worker.check()
            await asyncio.sleep(0.1)
    workers[0].kill_and_start_again()


async def main() -> None:
    """Run at full size on an embedded stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = MessageLoad(
        messages=given.messages,
        conversations=given.conversations,
        seed=given.seed,
        doubled=0.1,
        commands=0.1,
    )
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            for what, number in (await run(settings, load, Path(name))).items():
                print(f"{what}: {number:,.0f}")


if __name__ == "__main__":
    asyncio.run(main())
