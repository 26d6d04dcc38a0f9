"""A worker as a process, as in production."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp

from bench.runs.processes import log_tail
from tests.harness.fork_server import ForkedProcess, fork_server
from tests.harness.waiting import until
from workers.settings import Settings


class Worker:
    """Starts `inbox worker`, waits until it is ready, and stops or kills it."""

    def __init__(self, settings: Settings, log: Path, roles: str = "ingest,relay,web") -> None:
        self.settings = settings
        self.log = log
        self.url = settings.local_url
        self._roles = roles
        self._process: ForkedProcess | None = None

    @property
    def process(self) -> ForkedProcess:
        """The process; only after `start`."""
        assert self._process is not None
        return self._process

    async def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it is ready, unless `ready` is false."""
        self._process = self._fork()
        if ready:
            await until(self.is_ready, "a ready worker")

    def _fork(self) -> ForkedProcess:
        environment = os.environ | self.settings.environment()
        with open(os.devnull, "rb") as nothing, self.log.open("ab") as log:
            streams = nothing.fileno(), log.fileno(), log.fileno()
            return fork_server().start(("worker", "--roles", self._roles), environment, streams)

    async def is_ready(self) -> bool:
        """Whether it reports that it is ready. Raises AssertionError if it has ended."""
        if self.process.poll() is not None:
            status, tail = self.process.returncode, log_tail(self.log)
            raise AssertionError(f"the worker ended with {status}:\n{tail}")
        return await self.get_status("/readyz") == 200

    async def get_status(self, path: str) -> int | None:
        """Returns the status of a page; None if there is no answer."""
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.url + path) as response,
            ):
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def metrics(self) -> str:
        """Returns the page of metrics."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/metrics") as page:
            return await page.text()

    def kill(self) -> None:
        """Kill it (SIGKILL), and wait until it has ended."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        self.process.send_signal(number)

    async def stop(self) -> int:
        """Stop it (SIGTERM), and return its exit status, which is 0 unless it was killed before."""
        if self.process.poll() is None:
            self.process.terminate()
        status = await asyncio.to_thread(self.process.wait, 15)
        assert status in {0, -signal.SIGKILL}, log_tail(self.log)
        return status
