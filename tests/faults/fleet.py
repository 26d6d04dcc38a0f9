"""The workers of a run, and the supervisor that starts those again that ended."""

import asyncio
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.runs.processes import start_program, stop_program
from tests.faults.timing import Timing
from tests.harness.waiting import until
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

ROLES = "ingest,relay,send,web"
SUPERVISE_SECONDS = 0.05
TAIL_CHARACTERS = 60_000
COULD_NOT_START = 1
NO_KAFKA = "KafkaConnectionError: Unable to bootstrap from"
STALLED = 75
"""The status of a worker that ended itself because it made no progress (sysexits.h: try again)."""


class WorkerEnd(NamedTuple):
    """The end of a worker's process."""

    worker: str
    status: int
    requested: bool
    """Whether the run stopped it."""
    tail: str
    """The end of its log, if it failed."""


@dataclass
class ManagedWorker:
    """A worker of the fleet. It keeps its port and its name when its process is started again."""

    name: str
    settings: Settings
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    wanted: bool = False
    """Whether it is started again when it ends."""
    stop_requested: bool = False
    """Whether the run stops its present process."""
    frozen: bool = False

    @property
    def is_running(self) -> bool:
        """Whether there is a process that is not frozen."""
        return self.process is not None and not self.frozen


class Fleet:
    """So many workers, each of which is started again when it ends."""

    def __init__(
        self, settings: Settings, directory: Path, timing: Timing, *, mutant: str = ""
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._timing = timing
        self._mutant = mutant
        self._turn = 0
        self.ends: list[WorkerEnd] = []
        """All ends so far."""
        self.workers = [self._new_worker(number) for number in range(timing.workers)]

    def _new_worker(self, number: int) -> ManagedWorker:
        name = f"worker-{number}"
        # Half of the workers are static members of the consumer group, which keep their partitions
        # over a restart; half are new members after each start.
        settings = replace(
            self._settings,
            web_port=free_port(),
            instance_id=name if number % 2 == 0 else None,
        )
        return ManagedWorker(name, settings, self._directory / f"{name}.log")

    def ports(self) -> list[int]:
        """Returns the ports that take webhooks; each time another one comes first."""
        running = [worker for worker in self.workers if worker.is_running]
        self._turn += 1
        turn = self._turn % max(1, len(running))
        return [worker.settings.web_port for worker in running[turn:] + running[:turn]]

    def start(self, worker: ManagedWorker) -> None:
        """Start a worker."""
        timing = self._timing
        arguments = {
            "--name": worker.name,
            "--directory": str(self._directory),
            "--roles": ROLES,
            "--session-seconds": str(timing.session_seconds),
            "--post-seconds": str(timing.post_seconds),
            "--transaction-seconds": str(timing.transaction_seconds),
            "--list-check-seconds": ",".join(map(str, timing.list_check_seconds)),
            "--mutant": self._mutant,
        }
        worker.wanted, worker.stop_requested, worker.frozen = True, False, False
        options = [f"{name}={value}" for name, value in arguments.items()]
        worker.process = start_program(worker.settings, worker.log, "tests.faults.worker", *options)

    async def supervise(self) -> None:
        """Start workers again that end and are wanted, for ever."""
        while True:
            for worker in self.workers:
                if worker.process is not None and worker.process.poll() is not None:
                    self._record_end(worker)
            await asyncio.sleep(SUPERVISE_SECONDS)

    def _record_end(self, worker: ManagedWorker) -> None:
        assert worker.process is not None
        status = worker.process.returncode
        tail = worker.log.read_text(errors="replace")[-TAIL_CHARACTERS:] if status > 0 else ""
        self.ends.append(WorkerEnd(worker.name, status, worker.stop_requested, tail))
        worker.process = None
        if worker.wanted:
            self.start(worker)

    def kill(self, worker: ManagedWorker) -> None:
        """SIGKILL; the supervisor starts it again."""
        assert worker.process is not None
        worker.process.kill()

    def terminate(self, worker: ManagedWorker, *, for_good: bool) -> None:
        """SIGTERM; the supervisor starts it again unless it is for good."""
        assert worker.process is not None
        worker.stop_requested, worker.wanted = True, not for_good
        worker.process.terminate()

    def thaw(self, worker: ManagedWorker) -> None:
        """SIGCONT."""
        if worker.process is not None:
            worker.process.send_signal(signal.SIGCONT)
        worker.frozen = False

    async def is_ready(self, worker: ManagedWorker) -> bool:
        """Whether a worker reports that it is ready."""
        if not worker.is_running:
            return False
        return await self.page(worker, "/readyz") is not None

    async def page(self, worker: ManagedWorker, path: str) -> str | None:
        """Returns a page of a worker's web server; None if the worker does not serve it now."""
        url = f"http://{worker.settings.web_host}:{worker.settings.web_port}{path}"
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url) as response,
            ):
                return await response.text() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def until_ready(
        self, count: int | None = None, seconds: float = 60.0
    ) -> list[ManagedWorker]:
        """Wait until so many workers, or all that are wanted, are ready, and return these."""

        async def enough_ready() -> list[ManagedWorker]:
            wanted = [worker for worker in self.workers if worker.wanted]
            answers = await asyncio.gather(*map(self.is_ready, wanted))
            ready = [worker for worker, is_ready in zip(wanted, answers, strict=True) if is_ready]
            return ready if len(ready) >= (len(wanted) if count is None else count) else []

        return await until(enough_ready, f"{count or 'all'} workers ready", seconds)

    async def stop(self) -> None:
        """Stop all workers; kill those that take too long."""
        for worker in self.workers:
            worker.wanted = False
            if worker.process is not None:
                worker.stop_requested = True
                self.thaw(worker)
                worker.process.terminate()
        for worker in self.workers:
            if worker.process is not None:
                await asyncio.to_thread(stop_program, worker.process)
                self._record_end(worker)

    @property
    def unexpected_ends(self) -> list[WorkerEnd]:
        """Ends that the run did not cause and that are not promised either."""
        return [end for end in self.ends if not _is_expected(end)]


def _is_expected(end: WorkerEnd) -> bool:
    if end.status == COULD_NOT_START:
        # A worker that reads from Kafka ends if it finds no Kafka when it starts.
        return NO_KAFKA in end.tail
    # A worker that is stopped before it handles SIGTERM ends by that signal.
    return end.status in {-signal.SIGKILL, STALLED} or (
        end.requested and end.status in {0, -signal.SIGTERM}
    )
