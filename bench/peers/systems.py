"""The systems that are compared, and one measured run of each."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.checkers.messages import check
from bench.peers.counting import Once, count_rows, count_told
from bench.peers.state import empty, until_committed, until_first, until_told
from bench.runs.measured import stages
from bench.runs.workers import Running, running, until_applied
from workers.settings import Settings

OURS, PEERS = "inbox.messages", "peer.messages"


@dataclass(frozen=True, kw_only=True)
class Preloaded:
    """What is in Kafka before anything is measured."""

    settings: Settings
    directory: Path
    """For logs."""
    known: int
    """Records of the directory, which are applied."""
    ids: frozenset[str]
    """The provider's ids of the messages."""
    slice: int
    """How many messages are enough for a system that takes them one by one."""


class Run(Struct, frozen=True, kw_only=True):
    """What one run of one system gave."""

    messages: int
    rate: float
    """Messages per second, from the first that was seen applied to the last that was told of."""
    peak_megabytes: tuple[float, ...]
    """Of each process."""
    rows: Once
    told: Once | None
    """None of a system that tells of nothing."""
    stage_seconds: dict[str, float] = {}


async def ours(loaded: Preloaded, workers: int) -> Run:
    """So many workers, all promises on, and everything they did checked."""
    settings, number = loaded.settings, len(loaded.ids)
    with running(settings, loaded.directory, workers) as processes:
        alive = _alive(processes)
        began, first = await until_first(settings, OURS, alive)
        ended = await until_applied(settings, processes, loaded.known + number)
        peaks = tuple(process.peak_megabytes for process in processes)
        seconds = await _stages([process.url for process in processes])
    await check(settings)
    return Run(
        messages=number,
        rate=(number - first) / (ended - began),
        peak_megabytes=peaks,
        rows=await count_rows(settings, OURS, loaded.ids, number),
        told=await count_told(settings, loaded.ids, number),
        stage_seconds=seconds,
    )


async def floor(loaded: Preloaded) -> Run:
    """The floor, which measures itself."""
    settings, number = loaded.settings, len(loaded.ids)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bench.peers.floor", str(number)],
        env=os.environ | settings.environment(),
        check=True,
        capture_output=True,
    )
    measured = msgspec.json.decode(done.stdout)
    return Run(
        messages=number,
        rate=number / measured["seconds"],
        peak_megabytes=(measured["peak_megabytes"],),
        rows=await count_rows(settings, OURS, loaded.ids, number),
        told=None,
    )


class PeerProcess(Running):
    """A peer's process."""

    def __init__(self, settings: Settings, log: Path, *command: str) -> None:
        self._command = command
        super().__init__(settings, log)

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *self._command],
                env=os.environ | self._settings.environment(),
                stdout=log,
                stderr=log,
            )


@contextmanager
def _peer(loaded: Preloaded, *command: str) -> Iterator[PeerProcess]:
    process = PeerProcess(loaded.settings, loaded.directory / f"{command[0]}.log", *command)
    try:
        yield process
    finally:
        process.stop()


async def peer(loaded: Preloaded, module: str, *, sliced: bool = False, tells: bool = True) -> Run:
    """One process of a peer: all messages, or a slice of them."""
    settings = loaded.settings
    number = loaded.slice if sliced else len(loaded.ids)
    with _peer(loaded, module, *([str(number)] if sliced else [])) as process:
        alive = _alive([process])
        began, first = await until_first(settings, PEERS, alive)
        until = until_told if tells else until_committed
        ended = await until(settings, number, alive)
        peak = process.peak_megabytes
    return Run(
        messages=number,
        rate=(number - first) / (ended - began),
        peak_megabytes=(peak,),
        rows=await count_rows(settings, PEERS, loaded.ids, number),
        told=await count_told(settings, loaded.ids, number) if tells else None,
    )


SYSTEMS: dict[str, Callable[[Preloaded], Awaitable[Run]]] = {
    "naive": lambda loaded: peer(loaded, "bench.peers.naive", sliced=True),
    "ours": lambda loaded: ours(loaded, 1),
    "ours-2": lambda loaded: ours(loaded, 2),
    "faststream": lambda loaded: peer(loaded, "bench.peers.faststream_batch"),
    "quix": lambda loaded: peer(loaded, "bench.peers.quix", tells=False),
    "floor": floor,
}
"""Each takes what is loaded into empty tables, and says how it went.

The first is one that finds the servers cold; it gets a slice alone, and is slow anyway.
"""


async def run(name: str, loaded: Preloaded, number: int, *, settle_seconds: float) -> Run:
    """Run one system from the start of the topic, as a group of its own.

    Before it the servers have so many seconds to finish what the run before left them.
    """
    await empty(loaded.settings)
    await asyncio.sleep(settle_seconds)
    group = f"{loaded.settings.group}-{name}-{number}"
    return await SYSTEMS[name](replace(loaded, settings=replace(loaded.settings, group=group)))


def _alive(processes: Sequence[Running]) -> Callable[[], None]:
    def alive() -> None:
        for process in processes:
            process.check()

    return alive


async def _stages(urls: Sequence[str]) -> dict[str, float]:
    """Seconds per stage, of all workers together; stages that took next to nothing left out."""
    seconds: Counter[str] = Counter()
    for url in urls:
        seconds.update({stage: found.seconds for stage, found in (await stages(url)).items()})
    return {stage: took for stage, took in seconds.items() if took >= 0.1}
