"""Workers as processes of their own, for a benchmark or a test."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg

from workers.dev.embedded.ports import free_port
from workers.settings import Settings, required

FINISH_SECONDS = 1800
STOP_SECONDS = 15
ROLES = "ingest,relay,web"
"""What a worker does in a benchmark: nothing that could reach a provider."""


class Running:
    """A worker's process."""

    def __init__(
        self, settings: Settings, log: Path, roles: str = ROLES, port: int | None = None
    ) -> None:
        self._settings = replace(settings, web_port=port or free_port())
        self._log = log
        self._roles = roles
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "workers", "worker", "--roles", self._roles],
                env=os.environ | self._settings.environment(),
                stdout=log,
                stderr=log,
            )

    def kill_and_start_again(self) -> None:
        """SIGKILL, and a new process in its place."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> None:
        """SIGTERM, and whatever it takes."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """Raise when it ended by itself."""
        if self.process.poll() is not None:
            tail = self._log.read_text()[-4000:]
            raise RuntimeError(f"a worker ended with {self.process.returncode}:\n{tail}")

    @property
    def url(self) -> str:
        """Where its web server listens."""
        return f"http://{self._settings.web_host}:{self._settings.web_port}"

    @property
    def peak_megabytes(self) -> float:
        """The most memory it ever held (Linux: VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@contextmanager
def running(
    settings: Settings,
    directory: Path,
    count: int = 1,
    *,
    roles: str = ROLES,
    port: int | None = None,
) -> Iterator[list[Running]]:
    """So many workers, stopped at the end; a `port` only for one."""
    workers = [
        Running(settings, directory / f"worker-{number}.log", roles, port)
        for number in range(count)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


async def until_applied(
    settings: Settings,
    workers: Sequence[Running],
    records: int,
    *,
    published: bool = True,
) -> float:
    """Wait until so many records are applied, and published too; when that was (monotonic)."""
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    deadline = time.monotonic() + FINISH_SECONDS
    try:
        while time.monotonic() < deadline:
            for worker in workers:
                worker.check()
            applied = await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions") or 0
            waiting = await connection.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)")
            if applied >= records and not (published and waiting):
                return time.monotonic()
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{applied} of {records} applied within {FINISH_SECONDS} s")
    finally:
        await connection.close()
