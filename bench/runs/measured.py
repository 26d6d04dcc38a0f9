"""What one worker did with a backlog: how long it took, in which stages, and at what cost."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.runs.workers import Running, running, until_applied
from workers.settings import Settings, required

ROLES = "ingest,relay"
SETTLE_SECONDS = 3.0
"""Lets the servers finish what a preload left them."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One worker and one backlog, from its first transaction to its last event."""

    records: int
    """Those after the first transactions, whose beginning nobody saw."""
    seconds: float
    stages: "dict[str, Stage]"
    """Those of transactions that run at once add up."""
    cpu_seconds: float
    """The worker's own, from its start."""
    peak_megabytes: float
    wal_bytes: int
    full_pages: int
    """Pages that Postgres logged whole, as it does the first time after a checkpoint."""
    blocks_read: int
    """Pages that Postgres had to ask the system for."""

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds per record."""
        return 1e6 / self.rate


async def measure(settings: Settings, path: Path, records: int) -> Measured:
    """Have one worker apply a backlog of so many records, all of them published already."""
    await asyncio.sleep(SETTLE_SECONDS)
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        known, before = await _applied(connection), await _counters(connection)
        with running(settings, path, roles=ROLES) as workers:
            await until_applied(settings, workers, known + 1, published=False)
            first, began = await _applied(connection), time.monotonic()
            ended = await until_applied(settings, workers, known + records)
            went_through = await stages(workers[0].url)
            cpu_seconds, peak = worker_cpu(workers[0]), workers[0].peak_megabytes
        # Only now, when its connections are closed, Postgres has counted all of them.
        after = await _counters(connection)
    finally:
        await connection.close()
    return Measured(
        # Where few are applied before anybody can look, all count: then it is no measurement.
        records=known + records - first or records,
        seconds=ended - began,
        stages=went_through,
        cpu_seconds=cpu_seconds,
        peak_megabytes=peak,
        **{name: int(after[name] - before[name]) for name in after},
    )


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM inbox.positions"
    applied: int = await connection.fetchval(query)
    return applied


async def _counters(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    row = await connection.fetchrow(
        """
        SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS wal_bytes,
               (SELECT wal_fpi FROM pg_stat_wal) AS full_pages, blks_read AS blocks_read
        FROM pg_stat_database WHERE datname = current_database()
        """
    )
    assert row is not None
    return dict(row)


def worker_cpu(worker: Running) -> float:
    """Seconds that a worker computed so far."""
    times = psutil.Process(worker.process.pid).cpu_times()
    return times.user + times.system


_FAMILIES = {
    "inbox_fetch_seconds": "fetch",
    "inbox_stage_seconds": "",
    "inbox_relay_seconds": "relay ",
}
"""What the names of their stages begin with."""


class Stage(NamedTuple):
    """How often a worker went through a stage, and the seconds of all times together."""

    times: float
    seconds: float


async def stages(url: str) -> dict[str, Stage]:
    """What a worker's metrics say of its stages so far; the relay's begin with `relay`."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as page:
        text = await page.text()
    times: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        if family.name not in _FAMILIES:
            continue
        for sample in family.samples:
            stage = _FAMILIES[family.name] + sample.labels.get("stage", "")
            if sample.name.endswith("_sum"):
                seconds[stage] += sample.value
            elif sample.name.endswith("_count"):
                times[stage] += sample.value
    return {stage: Stage(times[stage], seconds[stage]) for stage in seconds}
