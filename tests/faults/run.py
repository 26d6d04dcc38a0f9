"""One run: servers, workers, traffic, faults, healing, draining, checking."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults import history, observations
from tests.faults.checks import Findings, check
from tests.faults.fault_context import FaultContext
from tests.faults.fleet import Fleet, WorkerEnd
from tests.faults.monitor import Monitor
from tests.faults.nemesis import InjectedFault, Nemesis, kinds, schedule
from tests.faults.points import Trap
from tests.faults.servers import servers
from tests.faults.timing import Timing
from tests.faults.traffic import Traffic
from tests.faults.worker_faults import FENCED
from tests.harness.waiting import Left, until

log = logging.getLogger(__name__)

# While Kafka is down it logs an error a hundred times a second.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

QUIET_SECONDS = 2.0
"""A run is drained if no new record is applied for so long."""

LANES = (("worker", "postgres", "kafka"), ("twilio",))
"""The faults of one lane happen one after the other; the lanes run at the same time."""

MUST_HAPPEN = {
    "a position refused": ("inbox_refused_positions", ("worker: frozen with a batch",)),
    "a commit of unknown outcome": ("inbox_unknown_commits", ("postgres: answer to COMMIT lost",)),
    "a relay fenced": ("inbox_relay_restarts", ("worker: frozen in the relay",)),
    "a duplicate dropped": ("inbox_duplicates", ()),
    "a spool used": ("inbox_drained", ("kafka: kill -9",)),
    "an uncertain reply settled": ("inbox_sends_settled", ("twilio: answer lost",)),
    "a conversation of a user who is gone": (
        "inbox_gone_assignees_unassigned",
        ("worker: frozen with a batch", "postgres: frozen"),
    ),
}
"""The counters that must rise in a run with certain faults; otherwise it proves nothing (I11)."""


@dataclass
class RunResult:
    """The results of a run."""

    seed: int
    findings: Findings = field(default_factory=Findings)
    happened: list[InjectedFault] = field(default_factory=list)
    impossible: dict[str, str] = field(default_factory=dict)
    """The faults that this machine does not allow, and why."""
    observed: dict[str, int] = field(default_factory=dict)
    """How many times each thing was observed."""
    ends: list[WorkerEnd] = field(default_factory=list)
    unexpected_ends: list[WorkerEnd] = field(default_factory=list)
    settled_seconds: float = 0.0
    """How long after healing all work was done."""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether all promises were kept."""
        return self.findings.holds and not self.unexpected_ends


async def run(
    directory: Path, timing: Timing, seed: int, *, only: Sequence[str] = (), minutes: float = 0.0
) -> RunResult:
    """Make each kind of fault happen once, and again until so many minutes are over."""
    began = time.monotonic()
    result = RunResult(seed)
    fleet: Fleet | None = None
    async with servers(directory, lambda: fleet.ports() if fleet else []) as all_servers:
        fleet = Fleet(all_servers.proxied, directory, timing)
        monitor = Monitor(all_servers.direct, all_servers.superuser_url)
        written = history.History(directory / "history.jsonl")
        supervising = asyncio.ensure_future(fleet.supervise())
        try:
            async with Traffic(all_servers.direct, written, seed) as traffic:
                context = FaultContext(
                    directory,
                    all_servers,
                    fleet,
                    traffic,
                    monitor,
                    timing,
                    seed,
                    random.Random(seed),  # noqa: S311  # repeatable on purpose
                    Trap(directory / "trap"),
                )
                await _run(context, result, only, minutes)
        finally:
            supervising.cancel()
            await fleet.stop()
            await monitor.disconnect()
            written.close()
        operations = list(history.read(written.file))
        await check(all_servers.direct, directory / "ledger.jsonl", operations, result.findings)
    result.ends, result.unexpected_ends = fleet.ends, fleet.unexpected_ends
    _check_not_vacuous(directory, result, set(kinds(only)))
    result.seconds = time.monotonic() - began
    return result


async def _run(
    context: FaultContext, result: RunResult, only: Sequence[str], minutes: float
) -> None:
    for worker in context.fleet.workers:
        context.fleet.start(worker)
    await context.traffic.publish_directory()
    await context.fleet.until_ready()
    await until(lambda: _applied(context), "the directory is known")
    await context.traffic.open_windows()
    timing = context.timing
    running = asyncio.ensure_future(
        context.traffic.run(timing.messages_per_second, timing.crowd_per_second)
    )
    try:
        await _inject_faults(context, result, only, minutes)
        await _heal(context)
        context.traffic.stop()
        await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    healed = time.monotonic()
    try:
        await until(lambda: _drained(context), "all is done", timing.settle_seconds)
    except TimeoutError as error:
        result.findings.violations["I10"].append(str(error))
    result.settled_seconds = time.monotonic() - healed


async def _inject_faults(
    context: FaultContext, result: RunResult, only: Sequence[str], minutes: float
) -> None:
    until_time = time.monotonic() + 60 * minutes
    chosen = kinds(only)

    async def lane(words: tuple[str, ...]) -> None:
        monitor = Monitor(context.servers.direct, context.servers.superuser_url)
        nemesis = Nemesis(replace(context, monitor=monitor), result.happened, result.impossible)
        a_round = schedule(context.seed, [kind for kind in chosen if kind.startswith(words)])
        while order := a_round():
            log.info("schedule: %s", "; ".join(order))
            for kind in order:
                await nemesis.inject(kind)
                await asyncio.sleep(context.chance.uniform(0, context.timing.pause_seconds))
            if time.monotonic() > until_time:
                break
        await monitor.disconnect()

    async with asyncio.TaskGroup() as lanes:
        for words in LANES:
            lanes.create_task(lane(words))


async def _heal(context: FaultContext) -> None:
    context.trap.remove()
    context.servers.heal()
    await context.servers.twilio.clear()
    for worker in context.fleet.workers:
        context.fleet.thaw(worker)
        if worker.process is None and not worker.wanted:
            context.fleet.start(worker)
    await context.fleet.until_ready()


async def _drained(context: FaultContext) -> Left:
    """The work that is left. None is if none comes from the work that was done last, either."""
    if not (left := await _left(context)):
        return left
    before = await context.monitor.positions()
    await asyncio.sleep(QUIET_SECONDS)
    if not (left := await _left(context)):
        return left
    after = await context.monitor.positions()
    return Left({"applied meanwhile": dict(after.items() - before.items())})


async def _applied(context: FaultContext) -> Left:
    return Left({"lag": await context.monitor.partitions_left()})


async def _left(context: FaultContext) -> Left:
    monitor, fleet = context.monitor, context.fleet
    work = await monitor.open_work()
    spooled = {each.name: _spooled(await fleet.page(each, "/metrics")) for each in fleet.workers}
    left = Left(
        {
            "lag": work.lag and (await monitor.partitions_left() or work.lag),
            "outbox rows by shard": work.outbox and (await monitor.rows_left() or work.outbox),
            "parts of replies": work.unsettled,
            "conversations of users who are gone": work.held,
            "spooled": {worker: count for worker, count in spooled.items() if count},
            "callbacks": (await context.servers.twilio.ledger()).pending,
        }
    )
    if not left:
        log.info("%s", left)
    return left


def _spooled(page: str | None) -> int | str:
    """Returns how many webhooks a worker has spooled. Without its metrics, that is not known."""
    if page is None:
        return "no metrics"
    [line] = [line for line in page.splitlines() if line.startswith("inbox_spool_records ")]
    return int(float(line.split()[1]))


def _check_not_vacuous(directory: Path, result: RunResult, chosen: set[str]) -> None:
    totals = observations.totals(observations.read(directory / "observations.jsonl"))
    for (what, label), count in totals.items():
        result.observed[f"{what} {label}".strip()] = count
    violations = result.findings.violations["I11"]
    hit = {each.kind for each in result.happened if each.hit}
    violations += [
        f"hit nothing: {kind}" for kind in sorted(chosen - hit - result.impossible.keys())
    ]
    for what, (counter, needed) in MUST_HAPPEN.items():
        happened = sum(
            count
            for (name, label), count in totals.items()
            if name == counter and (counter != "inbox_relay_restarts" or label in FENCED)
        )
        if set(needed) <= chosen and not happened:
            violations.append(f"never happened: {what}")
