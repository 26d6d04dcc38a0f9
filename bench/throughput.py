"""How fast one worker is, against the floor, side by side on one stack.

    python -m bench.throughput [--messages 200000] [--conversations 5000] [--rounds 3]

In each round both read the same preloaded topic into empty tables, one after the other, each as
its own process, with Kafka and Postgres beside it. The worker's time runs until its last event is
published, and what it did is checked. Prints messages per second of each round, the medians and
their ratio, the worker's time per stage, and its peak memory.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import asyncpg
from prometheus_client.parser import text_string_to_metric_families

from bench.checker import check
from bench.load import Load, directory, events, publish
from bench.workers import running, until_applied
from workers.settings import Settings, required
from workers.stack import stack


async def floor_rate(settings: Settings, records: int) -> float:
    """Messages per second of the floor; its rows are removed again."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.floor", str(records)],
        env=os.environ | settings.environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    await connection.execute("TRUNCATE inbox.messages")
    await connection.close()
    return records / float(done.stdout)


async def worker_rate(settings: Settings, known: int, records: int, path: Path) -> float:
    """Messages per second of one worker, from its first transaction to its last event."""
    with running(settings, path) as workers:
        began = await until_applied(settings, workers, known + 1, published=False)
        ended = await until_applied(settings, workers, known + records)
        print(f"  peak memory {workers[0].peak_megabytes:.0f} MB; seconds per stage:")
        for line in await _stages(workers[0].url):
            print("   ", line)
    return records / (ended - began)


async def _stages(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as page:
        text = await page.text()
    return [
        f"{' '.join(sample.labels.values())}: {sample.value:.2f}"
        for family in text_string_to_metric_families(text)
        if family.name in {"inbox_stage_seconds", "inbox_relay_seconds"}
        for sample in family.samples
        if sample.name.endswith("_sum") and sample.value >= 0.1
    ]


async def one_round(load: Load) -> tuple[float, float]:
    """The floor's and the worker's messages per second."""
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            # The directory is applied first, so that every message has somebody to tell.
            known = await publish(settings, directory())
            with running(settings, Path(name)) as workers:
                await until_applied(settings, workers, known)
            total = await publish(settings, events(load))
            await asyncio.sleep(3)  # lets the servers finish what the preload left them
            floor = await floor_rate(settings, total)
            print(f"floor:  {floor:,.0f} messages/s", flush=True)
            worker = await worker_rate(settings, known, total, Path(name))
            print(f"worker: {worker:,.0f} messages/s", flush=True)
            await check(settings)
    return floor, worker


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    load = Load(messages=given.messages, conversations=given.conversations)
    began = time.monotonic()
    rounds = [await one_round(load) for _ in range(given.rounds)]
    floor, worker = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(
        f"medians of {given.rounds}: floor {floor:,.0f}/s, worker {worker:,.0f}/s,"
        f" ratio {worker / floor:.2f}; {time.monotonic() - began:.0f} s in all"
    )


if __name__ == "__main__":
    asyncio.run(main())
