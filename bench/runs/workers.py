"""Workers as processes, for benchmarks, fault runs and tests."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.checkers.tables import owner_connection
from bench.runs.processes import ProgramProcess
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

FINISH_SECONDS = 1800
"""The longest wait until a load is applied."""

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

    Returns when that was (`time.monotonic`). Raises RuntimeError if a worker ended, TimeoutError.
    """
    deadline = time.monotonic() + FINISH_SECONDS
    async with owner_connection(settings) as connection:
        while time.monotonic() < deadline:
            for worker in workers:
                worker.check()
            applied = await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions") or 0
            waiting = await connection.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")
            if applied >= records and not (published and waiting):
                return time.monotonic()
            await asyncio.sleep(0.02)
    raise TimeoutError(f"{applied} of {records} applied within {FINISH_SECONDS} s")
