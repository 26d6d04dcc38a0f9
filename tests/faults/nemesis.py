"""The nemesis (Jepsen's word): it makes faults happen, one after the other, in random order."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.faults.fault_context import FaultContext, InjectFault, NotPossibleHere
from tests.faults.kafka_faults import KAFKA_FAULTS
from tests.faults.monitor import AWAY
from tests.faults.postgres_faults import POSTGRES_FAULTS
from tests.faults.twilio_faults import TWILIO_FAULTS
from tests.faults.worker_faults import WORKER_FAULTS

log = logging.getLogger(__name__)

FAULTS: dict[str, InjectFault] = WORKER_FAULTS | POSTGRES_FAULTS | KAFKA_FAULTS | TWILIO_FAULTS
"""All faults that happen at a certain time. Bad input comes all the time: see traffic."""

ATTEMPTS = 3
"""How many times a fault is repeated that hit no work: such a fault proves nothing."""


class InjectedFault(NamedTuple):
    """A fault that happened, or that was tried."""

    kind: str
    hit: int
    """How much work in flight it hit."""
    seconds: float
    missed: str = ""
    """Why it hit nothing."""


def kinds(only: Sequence[str]) -> list[str]:
    """Returns the kinds of fault whose names contain one of these words; without words, all."""
    return [kind for kind in FAULTS if not only or any(word in kind for word in only)]


def schedule(seed: int, chosen: Sequence[str]) -> Callable[[], list[str]]:
    """Returns a function that returns all chosen kinds, in another order at each call."""
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose

    def a_round() -> list[str]:
        return chance.sample(list(chosen), len(chosen))

    return a_round


class Nemesis:
    """Makes the faults of one lane happen."""

    def __init__(
        self, context: FaultContext, happened: list[InjectedFault], impossible: dict[str, str]
    ) -> None:
        """`happened` gets the faults; `impossible` those that this machine forbids, and why."""
        self._context = context
        self.happened = happened
        self.impossible = impossible

    async def inject(self, kind: str) -> None:
        """Make a fault happen, and again if it hit nothing; then wait until it is over."""
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            hit, missed = 0, ""
            try:
                hit = await FAULTS[kind](self._context)
            except NotPossibleHere as error:
                self.impossible[kind] = str(error)
                return
            except AWAY as error:
                missed = f"{type(error).__name__}: {error}"
                log.warning("%s: %s", kind, missed)
                await self._recover()
            self.happened.append(InjectedFault(kind, hit, time.monotonic() - began, missed))
            log.info("%5.1f s, hit %d: %s", self.happened[-1].seconds, hit, kind)
            if hit:
                return

    async def _recover(self) -> None:
        self._context.trap.remove()
        self._context.servers.heal()
        for worker in self._context.fleet.workers:
            self._context.fleet.thaw(worker)
        await self._context.monitor.disconnect()
