"""The systems that are compared, and how one run of each is measured."""

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
from bench.peers.counting import Once, count_notified, count_rows
from bench.peers.state import empty, until_committed, until_first, until_notified
from bench.runs.measurement import stages
from bench.runs.processes import ProgramProcess
from bench.runs.workers import running_workers, until_applied
from workers.settings import Settings

OURS, PEERS = "inbox.messages", "peer.messages"


@dataclass(frozen=True, kw_only=True)
class Preloaded:
    """The messages that are in Kafka before a measurement."""

    settings: Settings
    directory: Path
    """Where logs are written."""
    known: int
    """How many records of the directory are applied."""
    ids: frozenset[str]
    """The provider's ids of the messages."""
    slice: int
    """How many of the messages a slow system applies, which takes them one by one."""


class Run(Struct, frozen=True, kw_only=True):
    """The results of one run of one system."""

    messages: int
    rate: float
    """Messages per second, from the first that is stored to the last notification."""
    peak_megabytes: tuple[float, ...]
    """The peak memory of each process."""
    rows: Once
    notified: Once | None
    """None for a system without notifications."""
    stage_seconds: dict[str, float] = {}


async def ours(loaded: Preloaded, workers: int) -> Run:
    """Measure so many workers, and check all promises."""
    settings, number = loaded.settings, len(loaded.ids)
    with running_workers(settings, loaded.directory, workers) as processes:
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
        notified=await count_notified(settings, loaded.ids, number),
        stage_seconds=seconds,
    )


async def floor(loaded: Preloaded) -> Run:
    """Run the floor, which measures itself."""
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
        notified=None,
    )


@contextmanager
def _running_peer(loaded: Preloaded, module: str, *arguments: str) -> Iterator[ProgramProcess]:
    log = loaded.directory / f"{module}.log"
    process = ProgramProcess(loaded.settings, log, module, *arguments)
    try:
        yield process
    finally:
        process.stop()


async def peer(
    loaded: Preloaded, module: str, *, sliced: bool = False, notifies: bool = True
) -> Run:
    """Measure one process of a peer, with all messages or a slice of them."""
    settings = loaded.settings
    number = loaded.slice if sliced else len(loaded.ids)
    with _running_peer(loaded, module, *([str(number)] if sliced else [])) as process:
        alive = _alive([process])
        began, first = await until_first(settings, PEERS, alive)
        until = until_notified if notifies else until_committed
        ended = await until(settings, number, alive)
        peak = process.peak_megabytes
    return Run(
        messages=number,
        rate=(number - first) / (ended - began),
        peak_megabytes=(peak,),
        rows=await count_rows(settings, PEERS, loaded.ids, number),
        notified=await count_notified(settings, loaded.ids, number) if notifies else None,
    )


SYSTEMS: dict[str, Callable[[Preloaded], Awaitable[Run]]] = {
    "naive": lambda loaded: peer(loaded, "bench.peers.naive", sliced=True),
    "ours": lambda loaded: ours(loaded, 1),
    "ours-2": lambda loaded: ours(loaded, 2),
    "faststream": lambda loaded: peer(loaded, "bench.peers.faststream_batch"),
    "quix": lambda loaded: peer(loaded, "bench.peers.quix", notifies=False),
    "floor": floor,
}
"""Each system applies the loaded messages to empty tables, and is measured.

The first system finds the servers cold. It is one that is slow anyway, and gets only a slice.
"""


async def run(name: str, loaded: Preloaded, number: int, *, settle_seconds: float) -> Run:
    """Run one system from the start of the topic, with a consumer group of its own.

    Before the run the servers have so many seconds to finish the work of the run before.
    """
    await empty(loaded.settings)
    await asyncio.sleep(settle_seconds)
    group = f"{loaded.settings.group}-{name}-{number}"
    settings = replace(loaded.settings, given_group=group)
    return await SYSTEMS[name](replace(loaded, settings=settings))


def _alive(processes: Sequence[ProgramProcess]) -> Callable[[], None]:
    def alive() -> None:
        for process in processes:
            process.check()

    return alive


async def _stages(urls: Sequence[str]) -> dict[str, float]:
    """Returns the seconds of each stage, summed over all workers, without very short stages."""
    seconds: Counter[str] = Counter()
    for url in urls:
        seconds.update({stage: found.seconds for stage, found in (await stages(url)).items()})
    return {stage: took for stage, took in seconds.items() if took >= 0.1}
