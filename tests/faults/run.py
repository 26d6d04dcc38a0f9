"""One run: servers, workers, load, faults, healing, draining, checking."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults import history, observed
from tests.faults.checks import Verdict, check
from tests.faults.fleet import Ended, Fleet
from tests.faults.load import Load
from tests.faults.nemesis import Happened, Nemesis, kinds, schedule
from tests.faults.pace import Pace
from tests.faults.points import Trap
from tests.faults.pulse import Pulse
from tests.faults.scene import Scene
from tests.faults.servers import servers
from tests.faults.worker_faults import FENCED
from tests.harness.waiting import until

log = logging.getLogger(__name__)

# While Kafka is away it says so a hundred times a second.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

QUIET_SECONDS = 2.0
"""For so long nothing new may come, until a run counts as drained."""

LANES = (("worker", "postgres", "kafka"), ("twilio",))
"""Faults of one lane happen one after the other, those of several lanes at once."""

MUST_HAPPEN = {
    "a position refused": ("inbox_refused_positions", ("worker: frozen with a batch",)),
    "a commit of unknown outcome": ("inbox_unknown_commits", ("postgres: answer to COMMIT lost",)),
    "a relay fenced": ("inbox_relay_restarts", ("worker: frozen in the relay",)),
    "a duplicate dropped": ("inbox_duplicates", ()),
    "a spool used": ("inbox_drained", ("kafka: kill -9",)),
    "an uncertain reply settled": ("inbox_sends_settled", ("twilio: answer lost",)),
}
"""What a run with certain faults must have seen, or it proves nothing (I11)."""


@dataclass
class Outcome:
    """What became of a run."""

    seed: int
    verdict: Verdict = field(default_factory=Verdict)
    happened: list[Happened] = field(default_factory=list)
    impossible: dict[str, str] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    surprises: list[Ended] = field(default_factory=list)
    settled_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.holds and not self.surprises


async def run(
    directory: Path, pace: Pace, seed: int, *, only: Sequence[str] = (), minutes: float = 0.0
) -> Outcome:
    """Run each kind of fault once, and again until so many minutes are over."""
    began = time.monotonic()
    outcome = Outcome(seed)
    fleet: Fleet | None = None
    async with servers(directory, lambda: fleet.ports() if fleet else []) as all_servers:
        fleet = Fleet(all_servers.proxied, directory, pace)
        pulse = Pulse(all_servers.direct, all_servers.superuser_url)
        written = history.History(directory / "history.jsonl")
        supervising = asyncio.ensure_future(fleet.supervise())
        try:
            async with Load(all_servers.direct, written, seed) as load:
                scene = Scene(
                    directory,
                    all_servers,
                    fleet,
                    load,
                    pulse,
                    pace,
                    seed,
                    random.Random(seed),  # noqa: S311  # repeatable on purpose
                    Trap(directory / "trap"),
                )
                await _run(scene, outcome, only, minutes)
        finally:
            supervising.cancel()
            await fleet.stop()
            await pulse.forget()
            written.close()
        operations = list(history.read(written.file))
        await check(all_servers.direct, directory / "ledger.jsonl", operations, outcome.verdict)
    outcome.ended, outcome.surprises = fleet.ended, fleet.surprises
    _check_not_vacuous(directory, outcome, set(kinds(only)))
    outcome.seconds = time.monotonic() - began
    return outcome


async def _run(scene: Scene, outcome: Outcome, only: Sequence[str], minutes: float) -> None:
    for slot in scene.fleet.slots:
        scene.fleet.start(slot)
    await scene.load.introduce()
    await scene.fleet.until_ready()
    await until(lambda: _is_applied(scene), "the directory is known")
    await scene.load.greet()
    pace = scene.pace
    load = scene.load.run(pace.messages_per_second, pace.crowd_per_second)
    loading = asyncio.ensure_future(load)
    try:
        await _faults(scene, outcome, only, minutes)
        await _heal(scene)
        scene.load.stop()
        await loading
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
    healed = time.monotonic()
    try:
        await until(lambda: _is_drained(scene), "all is done", scene.pace.settle_seconds)
    except TimeoutError as error:
        outcome.verdict.violations["I10"].append(str(error))
    outcome.settled_seconds = time.monotonic() - healed


async def _faults(scene: Scene, outcome: Outcome, only: Sequence[str], minutes: float) -> None:
    until_time = time.monotonic() + 60 * minutes
    chosen = kinds(only)

    async def lane(words: tuple[str, ...]) -> None:
        pulse = Pulse(scene.servers.direct, scene.servers.superuser_url)
        nemesis = Nemesis(replace(scene, pulse=pulse), outcome.happened, outcome.impossible)
        a_round = schedule(scene.seed, [kind for kind in chosen if kind.startswith(words)])
        while order := a_round():
            log.info("schedule: %s", "; ".join(order))
            for kind in order:
                await nemesis.strike(kind)
                await asyncio.sleep(scene.chance.uniform(0, scene.pace.breath_seconds))
            if time.monotonic() > until_time:
                break
        await pulse.forget()

    async with asyncio.TaskGroup() as lanes:
        for words in LANES:
            lanes.create_task(lane(words))


async def _heal(scene: Scene) -> None:
    scene.trap.disarm()
    scene.servers.heal()
    await scene.servers.twilio.clear()
    for slot in scene.fleet.slots:
        scene.fleet.thaw(slot)
        if slot.process is None and not slot.wanted:
            scene.fleet.start(slot)
    await scene.fleet.until_ready()


async def _is_drained(scene: Scene) -> bool:
    """Whether nothing is left to do, and nothing new comes of what was done."""
    if await _left(scene):
        return False
    before = await scene.pulse.positions()
    await asyncio.sleep(QUIET_SECONDS)
    return not await _left(scene) and before == await scene.pulse.positions()


async def _is_applied(scene: Scene) -> bool:
    return await scene.pulse.lag() == 0


async def _left(scene: Scene) -> int:
    work = await scene.pulse.work()
    pages = [await scene.fleet.page(slot, "/metrics") for slot in scene.fleet.slots]
    spooled = sum(_spooled(page) for page in pages)
    pending = (await scene.servers.twilio.ledger()).pending
    if left := work.left + spooled + pending:
        log.info("left: %s, %d spooled, %d callbacks", work, spooled, pending)
    return left


def _spooled(page: str | None) -> int:
    """Records on a worker's disk; one when it does not say."""
    if page is None:
        return 1
    [line] = [line for line in page.splitlines() if line.startswith("inbox_spool_records ")]
    return int(float(line.split()[1]))


def _check_not_vacuous(directory: Path, outcome: Outcome, chosen: set[str]) -> None:
    seen = observed.totals(observed.read(directory / "observed.jsonl"))
    for (what, label), count in seen.items():
        outcome.observed[f"{what} {label}".strip()] = count
    violations = outcome.verdict.violations["I11"]
    hit = {each.kind for each in outcome.happened if each.hit}
    violations += [
        f"hit nothing: {kind}" for kind in sorted(chosen - hit - outcome.impossible.keys())
    ]
    for what, (counter, needed) in MUST_HAPPEN.items():
        happened = sum(
            count
            for (name, label), count in seen.items()
            if name == counter and (counter != "inbox_relay_restarts" or label in FENCED)
        )
        if set(needed) <= chosen and not happened:
            violations.append(f"never happened: {what}")
