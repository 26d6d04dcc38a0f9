"""A worker as a child process. It ends with this process, even when this process is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import aiohttp

from workers.dev.embedded import guard
from workers.dev.embedded.process import GuardedProcess, locked
from workers.process.errors import CommandFailed
from workers.settings import Role, Settings

WORKER_READY_SECONDS = 90.0
"""A new worker has to wait until the group session of a worker that was just killed ends."""

WORKER_STOP_SECONDS = 12.0
"""A worker itself stops within ten seconds."""

WORKER_LOCK_SECONDS = 30.0
WORKER_POLL_SECONDS = 0.1
LOG_LINES = 20
ROLES = ",".join(get_args(Role))


class WorkerChild:
    """A running worker with all roles."""

    def __init__(self, process: GuardedProcess, settings: Settings, log: Path) -> None:
        self._process = process
        self._ready_url = f"{settings.local_url}/readyz"
        self._log = log

    def check(self) -> None:
        """Raise CommandFailed when the worker has ended."""
        if not self._process.running:
            raise self._failed("the worker ended")

    async def wait_ready(self) -> None:
        """Return when the worker is ready. Raises CommandFailed when that takes too long."""
        try:
            async with asyncio.timeout(WORKER_READY_SECONDS), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):
                    self.check()
                    await asyncio.sleep(WORKER_POLL_SECONDS)
        except TimeoutError:
            raise self._failed(
                f"the worker is not ready after {WORKER_READY_SECONDS:g} s"
            ) from None

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self._ready_url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def _failed(self, failure: str) -> CommandFailed:
        """Returns a failure with the last lines of the worker's log that are not at level INFO."""
        lines = self._log.read_text(errors="replace").splitlines()
        unusual = [line for line in lines if "[INFO]" not in line][-LOG_LINES:]
        shown = "\n".join(f"  {line}" for line in unusual or ["(nothing unusual)"])
        return CommandFailed(f"{failure}; {self._log} says:\n{shown}")

    async def wait_ended(self) -> None:
        """Wait for ever. Raises CommandFailed when the worker ends by itself."""
        while True:
            self.check()
            await asyncio.sleep(WORKER_POLL_SECONDS)


@asynccontextmanager
async def worker_child(settings: Settings, directory: Path) -> AsyncIterator[WorkerChild]:
    """Run a worker that logs to a file in the directory. Stop it by SIGTERM at the end."""
    log = directory / "worker.log"
    log.unlink(missing_ok=True)
    spec = guard.ServerSpec(
        # -P: a directory of the caller with the name of a package must not hide that package.
        command=[sys.executable, "-P", "-m", "workers", "worker", "--roles", ROLES],
        directory=str(directory),
        environment=None,
        user=None,
        group=None,
        stop_signal=signal.SIGTERM,
        stop_seconds=WORKER_STOP_SECONDS,
        parent=os.getpid(),
    )
    # The worker of a run that was just killed may still be stopping.
    with locked(directory / "worker.lock", WORKER_LOCK_SECONDS) as lock:
        process = GuardedProcess(spec, log, lock, os.environ | settings.environment())
    try:
        yield WorkerChild(process, settings, log)
    finally:
        await asyncio.to_thread(process.end, guard.STOP)
