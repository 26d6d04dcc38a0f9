"""Whole runs of the simulation from seeds."""

import random
from collections import Counter
from typing import NamedTuple

from tests.simulation.choices import Seeded
from tests.simulation.inputs import MIXES, Mix
from tests.simulation.published import Broken
from tests.simulation.simulation import Simulation

ACTIONS = 300
"""Of one run; some of them are many steps."""


class Run(NamedTuple):
    """What came of one run."""

    seed: int
    steps: int
    broken: str | None
    """The promise that was not kept."""
    history: list[str]
    """What happened, in words."""
    met: Counter[str]


def run(seed: int, actions: int = ACTIONS, mix: Mix | None = None) -> Run:
    """One run from the start until everything is at rest. The same seed is the same run."""
    # The pauses of the product are random.
    random.seed(seed)
    choices = Seeded(seed)
    simulation = Simulation(mix or MIXES[seed % len(MIXES)])
    broken = None
    try:
        for _ in range(actions):
            simulation.act(choices)
        simulation.history.append("come to rest")
        simulation.come_to_rest()
    except Broken as error:
        broken = str(error)
    finally:
        simulation.close()
    return Run(seed, simulation.steps, broken, simulation.history, simulation.met)
