"""What a fault works with: the servers, the workers, the traffic, and the observations so far."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.faults import observations
from tests.faults.fleet import Fleet, ManagedWorker
from tests.faults.monitor import AWAY, NO_OPEN_WORK, Monitor, OpenWork
from tests.faults.points import Act, Trap
from tests.faults.servers import Servers
from tests.faults.timing import Timing
from tests.faults.traffic import Traffic
from tests.harness.waiting import until

FAULT_WAIT_SECONDS = 60.0
"""How long a fault waits for the moment at which it has to happen."""

InjectFault: TypeAlias = Callable[["FaultContext"], Awaitable[int]]
"""Makes a fault happen, and waits until it is over. Returns how much work in flight it hit.

It hit nothing if it returns 0 or raises TimeoutError.
"""


class NotPossibleHere(Exception):
    """This machine does not allow the fault; the message says why."""


@dataclass
class FaultContext:
    """Everything that belongs to a run."""

    directory: Path
    servers: Servers
    fleet: Fleet
    traffic: Traffic
    monitor: Monitor
    timing: Timing
    seed: int
    chance: random.Random
    trap: Trap

    async def until_work(self) -> int:
        """Wait until there is work in flight, and return how much."""

        async def in_flight() -> int:
            return (await self.open_work()).in_flight

        return await until(in_flight, "work in flight", FAULT_WAIT_SECONDS)

    async def open_work(self) -> OpenWork:
        """Returns the work that is not done yet; none while a server is down."""
        try:
            return await self.monitor.open_work()
        except AWAY:
            await self.monitor.disconnect()
            return NO_OPEN_WORK

    async def a_ready_worker(self) -> ManagedWorker:
        """Returns one of the workers that are ready, chosen at random."""
        return self.chance.choice(await self.fleet.until_ready(1))

    def observed(self, what: str, label: str | None = None) -> int:
        """Returns how many times something was observed so far."""
        totals = observations.totals(self._observations())
        return sum(
            count
            for (each, name), count in totals.items()
            if each == what and label in {None, name}
        )

    async def until_observed(self, what: str, more_than: int, *, label: str | None = None) -> int:
        """Wait until something was observed more than so many times."""

        async def count() -> int:
            observed = self.observed(what, label)
            return observed if observed > more_than else 0

        return await until(count, f"{what} {label or ''}", FAULT_WAIT_SECONDS)

    async def catch_at(self, point: str, act: Act) -> ManagedWorker:
        """Make the first worker that comes to a point die or freeze there, and return it."""

        def caught() -> list[observations.Observation]:
            return [
                each
                for each in self._observations()
                if each.what == "point" and each.label == point
            ]

        before = len(caught())
        self.trap.set(point, act)

        async def newly_caught() -> list[observations.Observation]:
            return caught()[before:]

        try:
            [observation] = await until(newly_caught, f"a worker {point}", FAULT_WAIT_SECONDS)
        finally:
            self.trap.remove()
        worker = next(each for each in self.fleet.workers if each.name == observation.worker)
        worker.frozen = act == "stop"
        return worker

    def _observations(self) -> list[observations.Observation]:
        return observations.read(self.directory / "observations.jsonl")
