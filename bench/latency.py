"""Measures the time from a contact's message to its notification, under a steady load.

    python -m bench.latency [--quick] [--maximum RATE] [--json FILE]

One worker gets 25, 50 and 75 % of its maximum: the messages per second that it applies of a
backlog, which are measured first unless they are given. The sender and the reader are other
processes. A latency begins when a message was due to be sent, which is its record's timestamp. It
ends when a `read_committed` consumer has the notification. The time of each step is printed too,
first the sender's own delay. The messages of the first seconds are not counted, but checked like
the others: each message has exactly one notification.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

import msgspec

from bench.checkers.messages import check
from bench.checkers.promises import expect_once
from bench.load.arrivals import Arrival
from bench.load.input_events import directory
from bench.load.message_load import MessageLoad
from bench.load.pacer import Paced
from bench.load.publishing import publish
from bench.runs.measurement import ROLES, Stage, measure, stages, worker_cpu_seconds
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from workers.dev.stack import stack
from workers.settings import Settings

GOAL_PERCENT, GOAL_MILLISECONDS = 50, 150.0
LAST_NOTIFICATION_SECONDS = 60.0
"""The longest wait for notifications after the last message was due."""

STEPS = ("sender late", "into Kafka", "until recorded", "until published", "until read")
"""The steps of a latency: the sender gives a message to its Kafka client, Kafka acknowledges it, a
worker records it, the worker begins to publish its notification, a consumer has that."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure."""

    maximum: float | None = None
    """Messages per second; None: to be measured."""
    percents: tuple[int, ...] = (25, 50, 75)
    """Of the maximum."""
    burst: int = 100_000
    """How many messages the maximum is measured with."""
    seconds: float = 20.0
    """How long each load is measured, after its first seconds."""
    warm_up_seconds: float = 5.0
    conversations: int = 5_000


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The latencies of one load. Times are in milliseconds."""

    percent: int
    rate: float
    """Messages per second."""
    messages: int
    """How many messages were counted."""
    p50: float
    p99: float
    p999: float
    max: float
    late_p99: float
    """The sender's delay: from when a message was due until its Kafka client got it."""
    means: dict[str, float]
    """The mean of each of STEPS; their sum is the mean latency."""
    batch_records: float
    """Mean size of the worker's transactions."""
    stages: dict[str, float]
    """The mean of each stage of the worker."""
    worker_cpu: float
    """The share of a core that the worker took."""


async def run(settings: Settings, path: Path, plan: Plan) -> tuple[float, list[Latency]]:
    """Returns the maximum, and the latencies of each load.

    Raises bench.checkers.promises.Broken.
    """
    known = await publish(settings, directory())
    with running_workers(settings, path, roles=ROLES) as workers:
        await until_applied(settings, workers, known)
    first, maximum = 0, plan.maximum
    if maximum is None:
        first = plan.burst
        load = MessageLoad(messages=first, conversations=plan.conversations)
        await publish(settings, load.events())
        maximum = (await measure(settings, path, first)).rate
        print(f"maximum: {maximum:,.0f} messages/s", flush=True)
    found = []
    with running_workers(settings, path, roles=ROLES) as workers:
        # The worker has started once it has applied a message.
        load = MessageLoad(messages=first + 1, conversations=plan.conversations)
        known += await publish(settings, load.events(first)) + first
        first += 1
        await until_applied(settings, workers, known)
        for percent in plan.percents:
            rate = maximum * percent / 100
            latency = await _one_load(
                settings, workers[0], plan, first=first, percent=percent, rate=rate
            )
            print(_line(latency), flush=True)
            found.append(latency)
            first += _messages(plan, rate)
    await check(settings)
    return maximum, found


def _messages(plan: Plan, rate: float) -> int:
    return int((plan.warm_up_seconds + plan.seconds) * rate)


async def _one_load(
    settings: Settings, worker: WorkerProcess, plan: Plan, *, first: int, percent: int, rate: float
) -> Latency:
    messages = _messages(plan, rate)
    before, cpu_seconds = await stages(worker.url), worker_cpu_seconds(worker)
    ids = MessageLoad(messages=0, conversations=0).message_ids(first, messages)
    paced, arrived = await _send_and_read(settings, plan, ids, first=first, rate=rate)
    worker.check()
    after = await stages(worker.url)
    cpu_seconds = worker_cpu_seconds(worker) - cpu_seconds
    expect_once(Counter(one.message_id for one in arrived), ids, "notification of a message")
    seen = {one.message_id: one for one in arrived}
    counted = range(int(plan.warm_up_seconds * rate), messages)
    found = [_waits(paced, index, rate, seen[ids[index]]) for index in counted]
    late, taken, recorded, published, received = (sorted(part) for part in zip(*found, strict=True))
    return Latency(
        percent=percent,
        rate=rate,
        messages=len(counted),
        p50=percentile(received, 0.5),
        p99=percentile(received, 0.99),
        p999=percentile(received, 0.999),
        max=received[-1],
        late_p99=percentile(late, 0.99),
        means=dict(zip(STEPS, _steps(late, taken, recorded, published, received), strict=True)),
        batch_records=messages / (after["commit"].times - before["commit"].times),
        stages={name: _mean(before.get(name, Stage(0, 0)), after[name]) for name in after},
        worker_cpu=cpu_seconds / (messages / rate),
    )


async def _send_and_read(
    settings: Settings, plan: Plan, ids: Sequence[str], *, first: int, rate: float
) -> tuple[Paced, list[Arrival]]:
    seconds = len(ids) / rate + LAST_NOTIFICATION_SECONDS
    async with (
        process(settings, "bench.load.arrivals", len(ids), seconds) as reader,
        process(settings, "bench.load.pacer", first, len(ids), plan.conversations, rate) as sender,
    ):
        paced = msgspec.json.decode(await output(sender), type=Paced)
        return paced, msgspec.json.decode(await output(reader), type=list[Arrival])


def _waits(
    paced: Paced, index: int, rate: float, arrival: Arrival
) -> tuple[float, float, float, float, float]:
    """Returns the milliseconds from when a message was due to the end of each of STEPS."""
    due = paced.began + index / rate
    return (
        paced.handed[index] * 1000,
        paced.taken[index] * 1000,
        (arrival.recorded - due) * 1000,
        (arrival.published - due) * 1000,
        (arrival.received - due) * 1000,
    )


def _mean(before: Stage, after: Stage) -> float:
    """Returns the mean milliseconds of a stage between two readings of the metrics."""
    return (after.seconds - before.seconds) / max(1, after.times - before.times) * 1000


def _steps(*ends: Sequence[float]) -> list[float]:
    """Returns the mean of each step, from the waits until the end of each."""
    means = [0.0, *map(statistics.fmean, ends)]
    return [after - before for before, after in pairwise(means)]


def percentile(ascending: Sequence[float], part: float) -> float:
    """Returns the smallest value that this share of the values does not exceed (nearest rank)."""
    return ascending[ceil(part * len(ascending)) - 1]


@asynccontextmanager
async def process(settings: Settings, module: str, *arguments: float) -> AsyncIterator[Process]:
    """Run a process of the measurement once it is ready; killed at the end if it still runs.

    Raises RuntimeError if it ended before it was ready.
    """
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, arguments),
        env=os.environ | settings.environment(),
        stdout=PIPE,
    )
    try:
        assert started.stdout is not None
        if await started.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{module} did not get ready")
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def output(ended: Process) -> bytes:
    """Returns what a process of the measurement prints until it ends. Raises RuntimeError."""
    printed, _ = await ended.communicate()
    if ended.returncode:
        raise RuntimeError(f"a process of the measurement ended with {ended.returncode}")
    return printed


def _line(found: Latency) -> str:
    steps = ", ".join(f"{step} {mean:.1f}" for step, mean in found.means.items())
    spent = ", ".join(f"{stage} {mean:.1f}" for stage, mean in found.stages.items())
    return (
        f"{found.percent} % ({found.rate:,.0f}/s): p50 {found.p50:.1f}, p99 {found.p99:.1f},"
        f" p99.9 {found.p999:.1f}, max {found.max:.1f} ms of {found.messages:,} messages\n"
        f"  mean ms: {steps}; sender late p99 {found.late_p99:.1f}\n"
        f"  {found.batch_records:.1f} records per batch; ms per batch: {spent};"
        f" worker at {found.worker_cpu:.0%} of a core"
    )


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, for a rough result")
    parser.add_argument("--maximum", type=float, help="messages per second")
    parser.add_argument("--json", type=Path, help="a file to write the results to")
    given = parser.parse_args(arguments)
    plan = Plan(maximum=given.maximum)
    if given.quick:
        plan = Plan(maximum=given.maximum, burst=50_000, seconds=6.0, warm_up_seconds=3.0)
    settings = Settings.from_environment({"INBOX_PARTITIONS": "8"})
    with tempfile.TemporaryDirectory() as name:
        async with stack(settings, Path(name)) as settings:
            maximum, found = await run(settings, Path(name), plan)
    (reached,) = (latency.p99 for latency in found if latency.percent == GOAL_PERCENT)
    print(
        f"p99 at {GOAL_PERCENT} %: {reached:.0f} ms, goal: less than {GOAL_MILLISECONDS:.0f} ms,"
        f" {'met' if reached < GOAL_MILLISECONDS else 'missed'}"
    )
    if given.json:
        report = {
            "maximum": maximum,
            "loads": [asdict(latency) for latency in found],
            "goal": {"percent": GOAL_PERCENT, "p99": GOAL_MILLISECONDS},
        }
        given.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
