"""What a fault has to do with: the servers, the workers, the load, and what was observed."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.faults import observed
from tests.faults.fleet import Fleet, Slot
from tests.faults.load import Load
from tests.faults.pace import Pace
from tests.faults.points import Act, Trap
from tests.faults.pulse import AWAY, NO_WORK, Pulse, Work
from tests.faults.servers import Servers
from tests.harness.waiting import until

STRIKE_SECONDS = 60.0
"""How long a fault waits for the moment at which it is to happen."""

Strike: TypeAlias = Callable[["Scene"], Awaitable[int]]
"""Lets a fault happen and pass: how much work in flight it hit. 0, or a TimeoutError: none."""


class NotPossibleHere(Exception):
    """This machine does not let the fault happen; the message says why."""


@dataclass
class Scene:
    """All of it."""

    directory: Path
    servers: Servers
    fleet: Fleet
    load: Load
    pulse: Pulse
    pace: Pace
    seed: int
    chance: random.Random
    trap: Trap

    async def until_work(self) -> int:
        """Wait until there is work in flight; how much."""

        async def ask() -> int:
            return (await self.work()).in_flight

        return await until(ask, "work in flight", STRIKE_SECONDS)

    async def work(self) -> Work:
        """What is under way; nothing that anybody knows of while a server is away."""
        try:
            return await self.pulse.work()
        except AWAY:
            await self.pulse.forget()
            return NO_WORK

    async def a_worker(self) -> Slot:
        """One that is ready."""
        return self.chance.choice(await self.fleet.until_ready(1))

    def seen(self, what: str, label: str | None = None) -> int:
        """How often something was observed so far."""
        found = observed.totals(observed.read(self.directory / "observed.jsonl"))
        return sum(
            count for (each, name), count in found.items() if each == what and label in {None, name}
        )

    async def until_seen(
        self,
        what: str,
        more_than: int,
        *,
        label: str | None = None,
        seconds: float = STRIKE_SECONDS,
    ) -> int:
        """Wait until something was observed more than so often."""

        async def ask() -> int:
            count = self.seen(what, label)
            return count if count > more_than else 0

        return await until(ask, f"{what} {label or ''}", STRIKE_SECONDS)

    async def spring(self, point: str, act: Act) -> Slot:
        """Have the first worker that comes to a point die or freeze there; the one it was."""
        file = self.directory / "observed.jsonl"

        def sprung() -> list[observed.Seen]:
            seen = observed.read(file)
            return [each for each in seen if each.what == "point" and each.label == point]

        before = len(sprung())
        self.trap.arm(point, act)

        async def ask() -> list[observed.Seen]:
            return sprung()[before:]

        try:
            [seen] = await until(ask, f"a worker {point}", STRIKE_SECONDS)
        finally:
            self.trap.disarm()
        slot = next(slot for slot in self.fleet.slots if slot.name == seen.worker)
        slot.frozen = act == "stop"
        return slot
