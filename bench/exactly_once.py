"""Two workers, one killed with SIGKILL halfway and started again: is everything there once?

    python -m bench.exactly_once [--messages 200000] [--conversations 5000] [--seed 1]

Prints messages per second and what was counted; exits 1 when a promise was broken.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg

from bench.checkers.messages import check
from bench.load.load import Load, directory, events, publish
from bench.runs.workers import Running, running, until_applied
from workers.dev.stack import stack
from workers.settings import Settings, required


async def run(settings: Settings, load: Load, directory_path: Path) -> dict[str, float]:
    """Preload, run, kill, check. Returns what was measured; raises Broken."""
    known = await publish(settings, directory())
    with running(settings, directory_path) as workers:
        await until_applied(settings, workers, known)
    total = known + await publish(settings, events(load))
    began = time.monotonic()
    with running(settings, directory_path, count=2) as workers:
        await _kill_halfway(settings, workers, total // 2)
        ended = await until_applied(settings, workers, total)
    counted = await check(settings)
    return {"messages per second": load.messages / (ended - began), **counted}


async def _kill_halfway(settings: Settings, workers: list[Running], records: int) -> None:
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        while True:
            for worker in workers:
                worker.check()
            if await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions") >= records:
                workers[0].kill_and_start_again()
                return
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def main() -> None:
    """Run at full size on an embedded stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load = Load(
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
