"""Workers as processes, for benchmarks, fault runs and tests."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.checkers.tables import owner_connection
from bench.checkers.topics import end_offsets
from bench.runs.processes import ProgramProcess
from db.connect import Connection
from schemas.catalog import INBOUND
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

FINISH_SECONDS = 1800
"""The longest wait until a load is applied."""

STALL_SECONDS = 120
"""The longest wait for the next record, or the next row of the outbox. A killed worker's partitions
wait for the end of its session; that takes less."""

FIRST_ROW = "SELECT number FROM inbox.outbox ORDER BY shard, number LIMIT 1"
"""As quick as a question whether there is any row, and it shows whether rows are published."""

ROLES = "ingest,relay,web"
"""The roles of a worker in a benchmark: none of them sends to a provider."""


class WorkerProcess(ProgramProcess):
    """A worker's process."""

    def __init__(
        self, settings: Settings, log: Path, roles: str = ROLES, port: int | None = None
    ) -> None:
        settings = replace(settings, web_port=port or free_port())
        super().__init__(settings, log, "workers", "worker", "--roles", roles)

    @property
    def url(self) -> str:
        """Where its web server listens."""
        return f"http://{self._settings.web_host}:{self._settings.web_port}"


@contextmanager
def running_workers(
    settings: Settings,
    directory: Path,
    count: int = 1,
    *,
    roles: str = ROLES,
    port: int | None = None,
) -> Iterator[list[WorkerProcess]]:
    """Run so many workers, and stop them at the end. `port` is for one worker only."""
    workers = [
        WorkerProcess(settings, directory / f"worker-{number}.log", roles, port)
        for number in range(count)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


async def until_applied(
    settings: Settings,
    workers: Sequence[WorkerProcess],
    records: int,
    *,
    published: bool = True,
) -> float:
    """Wait until so many records are applied and, unless told otherwise, all events published.

    Returns when that was (`time.monotonic`). Raises RuntimeError if a worker ended, and
    TimeoutError, which names what is left.
    """
    began = progress_at = time.monotonic()
    before: tuple[int, int | None] | None = None
    async with owner_connection(settings) as connection:
        while True:
            for worker in workers:
                worker.check()
            applied = await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions") or 0
            waiting = await connection.fetchval(FIRST_ROW)
            now = time.monotonic()
            if applied >= records and not (published and waiting):
                return now
            if before != (before := (applied, waiting)):
                progress_at = now
            if now - began > FINISH_SECONDS or now - progress_at > STALL_SECONDS:
                left = await _left(settings, connection)
                raise TimeoutError(
                    f"{applied} of {records} applied after {now - began:.0f} s, and nothing for "
                    f"{now - progress_at:.0f} s; left: {left}"
                )
            await asyncio.sleep(0.02)


async def _left(settings: Settings, connection: Connection) -> str:
    """Returns the lag of each partition, and the rows of each shard of the outbox."""
    positions = await connection.fetch("SELECT * FROM inbox.positions")
    applied = {(row["topic"], row["partition"]): row["next_offset"] for row in positions}
    ends = await end_offsets(settings, INBOUND)
    lags = {tp: end - applied.get(tp, 0) for tp, end in ends.items() if end != applied.get(tp, 0)}
    rows = await connection.fetch("SELECT shard, count(*) FROM inbox.outbox GROUP BY shard")
    return f"lag {lags}, outbox rows by shard { {row['shard']: row['count'] for row in rows} }"
