"""The nemesis: lets one fault after the other happen, as a schedule made of a seed says."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.faults.kafka_faults import KAFKA_FAULTS
from tests.faults.postgres_faults import POSTGRES_FAULTS
from tests.faults.pulse import AWAY
from tests.faults.scene import NotPossibleHere, Scene, Strike
from tests.faults.twilio_faults import TWILIO_FAULTS
from tests.faults.worker_faults import WORKER_FAULTS

log = logging.getLogger(__name__)

FAULTS: dict[str, Strike] = WORKER_FAULTS | POSTGRES_FAULTS | KAFKA_FAULTS | TWILIO_FAULTS
"""All kinds of fault that happen at a time; hostile input happens all the time: see load."""

ATTEMPTS = 3
"""A fault that hit nothing is repeated: what it hit is its whole point."""


class Happened(NamedTuple):
    """A fault that happened."""

    kind: str
    hit: int
    """How much work in flight."""
    seconds: float
    missed: str = ""
    """Why it hit nothing."""


def kinds(only: Sequence[str]) -> list[str]:
    """The kinds whose names contain one of some words; all, without words."""
    return [kind for kind in FAULTS if not only or any(word in kind for word in only)]


def schedule(seed: int, chosen: Sequence[str]) -> Callable[[], list[str]]:
    """Makes rounds of all kinds, each in another order."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose

    def a_round() -> list[str]:
        return chance.sample(list(chosen), len(chosen))

    return a_round


class Nemesis:
    """Lets faults of one lane happen, and knows what they hit."""

    def __init__(self, scene: Scene, happened: list[Happened], impossible: dict[str, str]) -> None:
        """What happened is added to one, to the other what cannot on this machine, and why."""
        self._scene = scene
        self.happened = happened
        self.impossible = impossible

    async def strike(self, kind: str) -> None:
        """Let a fault happen until it hits something, and see that it passes."""
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            hit, missed = 0, ""
            try:
                hit = await FAULTS[kind](self._scene)
            except NotPossibleHere as error:
                self.impossible[kind] = str(error)
                return
            except AWAY as error:
                missed = f"{type(error).__name__}: {error}"
                log.warning("%s: %s", kind, missed)
                await self._recover()
            self.happened.append(Happened(kind, hit, time.monotonic() - began, missed))
            log.info("%5.1f s, hit %d: %s", self.happened[-1].seconds, hit, kind)
            if hit:
                return

    async def _recover(self) -> None:
        self._scene.trap.disarm()
        self._scene.servers.heal()
        for slot in self._scene.fleet.slots:
            self._scene.fleet.thaw(slot)
        await self._scene.pulse.forget()
