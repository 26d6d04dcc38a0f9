"""The workers of a run, and the supervisor that starts those again that ended."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.faults.pace import Pace
from tests.harness.waiting import until
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

ROLES = "ingest,relay,send,web"
SUPERVISE_SECONDS = 0.05
STOP_SECONDS = 15
TAIL_CHARACTERS = 60_000
COULD_NOT_START = 1
NO_KAFKA = "KafkaConnectionError: Unable to bootstrap from"
STALLED = 75
"""sysexits.h: the worker ended itself since it made no progress; it is to be started again."""


class Ended(NamedTuple):
    """A worker's process ended."""

    worker: str
    status: int
    asked: bool
    """Whether this run had it ended."""
    tail: str
    """Of its log, where it failed."""


@dataclass
class Slot:
    """The place of one worker: its port and its name stay when it is started again."""

    name: str
    settings: Settings
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    wanted: bool = False
    asked: bool = False
    """Whether its next end is this run's doing."""
    frozen: bool = False
    started_at: float = 0.0

    @property
    def runs(self) -> bool:
        """Whether there is a process that is not frozen."""
        return self.process is not None and not self.frozen


class Fleet:
    """So many workers, each in a place of its own, started again when they end."""

    def __init__(
        self, settings: Settings, directory: Path, pace: Pace, *, mutant: str = ""
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._pace = pace
        self._mutant = mutant
        self._turn = 0
        self.ended: list[Ended] = []
        """All ends so far."""
        self.slots = [self._slot(number) for number in range(pace.workers)]

    def _slot(self, number: int) -> Slot:
        name = f"worker-{number}"
        # Half of them keep their place in the group over a restart, half are new members.
        settings = replace(
            self._settings,
            web_port=free_port(),
            instance_id=name if number % 2 == 0 else None,
        )
        return Slot(name, settings, self._directory / f"{name}.log")

    def use(self, settings: Settings) -> None:
        """Start workers with these settings from now on."""
        for slot in self.slots:
            slot.settings = replace(
                settings,
                web_port=slot.settings.web_port,
                instance_id=slot.settings.instance_id,
            )

    def ports(self) -> list[int]:
        """Where webhooks can be posted to: a different one first each time."""
        running = [slot for slot in self.slots if slot.runs]
        self._turn += 1
        turn = self._turn % max(1, len(running))
        return [slot.settings.web_port for slot in running[turn:] + running[:turn]]

    def start(self, slot: Slot) -> None:
        """Start one."""
        pace = self._pace
        arguments = {
            "--name": slot.name,
            "--directory": str(self._directory),
            "--roles": ROLES,
            "--session-seconds": str(pace.session_seconds),
            "--post-seconds": str(pace.post_seconds),
            "--transaction-seconds": str(pace.transaction_seconds),
            "--looks": ",".join(map(str, pace.looks_seconds)),
            "--mutant": self._mutant,
        }
        slot.wanted, slot.asked, slot.frozen = True, False, False
        slot.started_at = time.monotonic()
        with slot.log.open("ab") as log:
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker", *_flat(arguments)],
                env=os.environ | slot.settings.environment(),
                stdout=log,
                stderr=log,
            )

    async def supervise(self) -> None:
        """Start again whatever ends and is wanted, for ever."""
        while True:
            for slot in self.slots:
                if slot.process is not None and slot.process.poll() is not None:
                    self._bury(slot)
            await asyncio.sleep(SUPERVISE_SECONDS)

    def _bury(self, slot: Slot) -> None:
        assert slot.process is not None
        status = slot.process.returncode
        tail = slot.log.read_text(errors="replace")[-TAIL_CHARACTERS:] if status > 0 else ""
        self.ended.append(Ended(slot.name, status, slot.asked, tail))
        slot.process = None
        if slot.wanted:
            self.start(slot)

    def kill(self, slot: Slot) -> None:
        """SIGKILL; the supervisor starts it again."""
        assert slot.process is not None
        slot.process.kill()

    def terminate(self, slot: Slot, *, for_good: bool) -> None:
        """SIGTERM; the supervisor starts it again unless it is for good."""
        assert slot.process is not None
        slot.asked, slot.wanted = True, not for_good
        slot.process.terminate()

    def freeze(self, slot: Slot) -> None:
        """SIGSTOP."""
        assert slot.process is not None
        slot.process.send_signal(signal.SIGSTOP)
        slot.frozen = True

    def thaw(self, slot: Slot) -> None:
        """SIGCONT."""
        if slot.process is not None:
            slot.process.send_signal(signal.SIGCONT)
        slot.frozen = False

    async def is_ready(self, slot: Slot) -> bool:
        """Whether it says that it is ready."""
        if not slot.runs:
            return False
        return await self.page(slot, "/readyz") is not None

    async def page(self, slot: Slot, path: str) -> str | None:
        """A page of its web server; None when it is not to be had."""
        url = f"http://{slot.settings.web_host}:{slot.settings.web_port}{path}"
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url) as response,
            ):
                return await response.text() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def until_ready(self, count: int | None = None, seconds: float = 60.0) -> list[Slot]:
        """Wait until so many, or all that are wanted, are ready; those that are."""

        async def ask() -> list[Slot]:
            wanted = [slot for slot in self.slots if slot.wanted]
            answers = await asyncio.gather(*map(self.is_ready, wanted))
            ready = [slot for slot, is_ready in zip(wanted, answers, strict=True) if is_ready]
            return ready if len(ready) >= (len(wanted) if count is None else count) else []

        return await until(ask, f"{count or 'all'} workers ready", seconds)

    async def stop(self) -> None:
        """End them all, whatever they do."""
        for slot in self.slots:
            slot.wanted = False
            if slot.process is not None:
                slot.asked = True
                self.thaw(slot)
                slot.process.terminate()
        for slot in self.slots:
            if slot.process is not None:
                await asyncio.to_thread(_wait, slot.process)
                self._bury(slot)

    @property
    def statuses(self) -> Counter[int]:
        """How often workers ended, by status."""
        return Counter(end.status for end in self.ended)

    @property
    def surprises(self) -> list[Ended]:
        """Ends that are neither this run's doing nor promised."""
        return [end for end in self.ended if not _is_expected(end)]


def _is_expected(end: Ended) -> bool:
    if end.status == COULD_NOT_START:
        # A worker that reads from Kafka ends when it finds none at its start.
        return NO_KAFKA in end.tail
    # Told to stop before it listens to that, it ends by the signal.
    return end.status in {-signal.SIGKILL, STALLED} or (
        end.asked and end.status in {0, -signal.SIGTERM}
    )


def _flat(arguments: dict[str, str]) -> Iterator[str]:
    for name, value in arguments.items():
        yield f"{name}={value}"


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
