"""Runs the simulation for long: `python -m tests.simulation --steps 200000 --seed 1`."""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.product import simulated
from tests.simulation.runs import ACTIONS, Run, run

LINES_MAX = 80
"""How much of a history that broke a promise is printed; the seed gives all of it."""


def main() -> int:
    """Run until so many steps are done, or a promise is broken; 1 in that case."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000, help="statements, requests, events")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; others follow it")
    parser.add_argument("--actions", type=int, default=ACTIONS, help="length of one run")
    parser.add_argument("--keep-going", action="store_true", help="after a broken promise too")
    given = parser.parse_args()
    logging.getLogger("workers").setLevel(logging.CRITICAL)  # the servers fail all the time
    met: Counter[str] = Counter()
    began, steps, seed, broken = time.perf_counter(), 0, given.seed, 0
    with simulated():
        while steps < given.steps and (given.keep_going or not broken):
            done = run(seed, given.actions)
            steps, seed = steps + done.steps, seed + 1
            met += done.met
            broken += _is_broken(done, 1 if given.keep_going else LINES_MAX)
    seconds = time.perf_counter() - began
    for what, count in sorted(met.items()):
        print(f"{count:9,d}  {what}")
    print(
        f"seeds {given.seed} to {seed - 1}, --actions {given.actions}: {steps:,d} steps, "
        f"{steps / seconds:,.0f} steps/s, {broken} runs in which a promise was broken"
    )
    return 1 if broken else 0


def _is_broken(done: Run, lines_max: int) -> bool:
    if done.broken is None:
        return False
    print(*done.history[-lines_max:], sep="\n")
    print(f"seed {done.seed} is broken: {done.broken}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
