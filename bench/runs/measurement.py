"""Measures one worker that applies a backlog: its time, by stage, and its cost."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.checkers.tables import owner_connection
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from db.connect import Connection
from workers.settings import Settings

ROLES = "ingest,relay"
SETTLE_SECONDS = 3.0
"""A pause in which the servers finish the work that a preload left."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One worker and one backlog, from the first transaction to the last event."""

    records: int
    """Without those of the first transactions, whose beginning is not known."""
    seconds: float
    stages: "dict[str, Stage]"
    """Transactions that run at the same time add up."""
    cpu_seconds: float
    """The worker's CPU time from its start."""
    peak_megabytes: float
    wal_bytes: int
    full_pages: int
    """Pages that Postgres logged whole: those changed for the first time after a checkpoint."""
    blocks_read: int
    """Pages that Postgres read from the operating system."""

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds per record."""
        return 1e6 / self.rate


async def measure(settings: Settings, path: Path, records: int) -> Measurement:
    """Have one worker apply a backlog of so many records, which are all published already."""
    await asyncio.sleep(SETTLE_SECONDS)
    async with owner_connection(settings) as connection:
        known, before = await _applied(connection), await _counters(connection)
        with running_workers(settings, path, roles=ROLES) as workers:
            await until_applied(settings, workers, known + 1, published=False)
            first, began = await _applied(connection), time.monotonic()
            ended = await until_applied(settings, workers, known + records)
            worker_stages = await stages(workers[0].url)
            cpu_seconds, peak = worker_cpu_seconds(workers[0]), workers[0].peak_megabytes
        # Postgres counts a connection's work when the connection is closed.
        after = await _counters(connection)
    return Measurement(
        # When all are applied within the first transactions, all count: such a run is too short to
        # measure anything.
        records=known + records - first or records,
        seconds=ended - began,
        stages=worker_stages,
        cpu_seconds=cpu_seconds,
        peak_megabytes=peak,
        **{name: int(after[name] - before[name]) for name in after},
    )


async def _applied(connection: Connection) -> int:
    query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM inbox.positions"
    applied: int = await connection.fetchval(query)
    return applied


async def _counters(connection: Connection) -> dict[str, int]:
    row = await connection.fetchrow(
        """
        SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS wal_bytes,
               (SELECT wal_fpi FROM pg_stat_wal) AS full_pages, blks_read AS blocks_read
        FROM pg_stat_database WHERE datname = current_database()
        """
    )
    assert row is not None
    return dict(row)


def worker_cpu_seconds(worker: WorkerProcess) -> float:
    """Returns the CPU time that a worker took so far."""
    times = psutil.Process(worker.process.pid).cpu_times()
    return times.user + times.system


_STAGE_PREFIXES = {
    "inbox_fetch_seconds": "fetch",
    "inbox_stage_seconds": "",
    "inbox_relay_seconds": "relay ",
}
"""The metrics that have stages, and how the names of their stages begin in a report."""


class Stage(NamedTuple):
    """How many times a worker went through a stage, and the seconds of all times together."""

    times: float
    seconds: float


async def stages(url: str) -> dict[str, Stage]:
    """Returns a worker's stages so far, from its metrics; those of the relay begin with `relay`."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as page:
        text = await page.text()
    times: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        if family.name not in _STAGE_PREFIXES:
            continue
        for sample in family.samples:
            stage = _STAGE_PREFIXES[family.name] + sample.labels.get("stage", "")
            if sample.name.endswith("_sum"):
                seconds[stage] += sample.value
            elif sample.name.endswith("_count"):
                times[stage] += sample.value
    return {stage: Stage(times[stage], seconds[stage]) for stage in seconds}
