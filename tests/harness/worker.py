"""A worker as its own process, as in production."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from tests.harness.waiting import until
from workers.settings import Settings


class Worker:
    """Starts `inbox worker`, waits until it is ready, stops or kills it."""

    def __init__(self, settings: Settings, log: Path, roles: str = "ingest,relay,web") -> None:
        self.settings = settings
        self.log = log
        self.url = f"http://{settings.web_host}:{settings.web_port}"
        self._roles = roles
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process, which was started."""
        assert self._process is not None
        return self._process

    async def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it is ready unless told otherwise."""
        environment = os.environ | self.settings.environment()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # it takes a millisecond
                [sys.executable, "-m", "workers", "worker", "--roles", self._roles],
                env=environment,
                stdout=log,
                stderr=log,
            )
        if ready:
            await until(self.is_ready, "a ready worker")

    async def is_ready(self) -> bool:
        """Whether it says that it is ready. Raises when it ended."""
        if self.process.poll() is not None:
            tail = self.log.read_text()[-4000:]
            raise AssertionError(f"the worker ended with {self.process.returncode}:\n{tail}")
        return await self.get_status("/readyz") == 200

    async def get_status(self, path: str) -> int | None:
        """The status of a page; None when nothing answers."""
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
        """The page of metrics."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/metrics") as page:
            return await page.text()

    def kill(self) -> None:
        """SIGKILL: it gets no chance to do anything."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        self.process.send_signal(number)

    async def stop(self) -> int:
        """SIGTERM; its exit status, which is 0 when all went well."""
        if self.process.poll() is None:
            self.process.terminate()
        status = await asyncio.to_thread(self.process.wait, 15)
        assert status in {0, -signal.SIGKILL}, self.log.read_text()[-4000:]
        return status
