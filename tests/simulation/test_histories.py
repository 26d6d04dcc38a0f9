"""Every promise holds in every history; and the simulation would notice if it did not."""

from collections import Counter

import pytest

from tests.simulation.mutants import MIX_OF, MUTANTS
from tests.simulation.product import simulated
from tests.simulation.runs import run

RUNS = 80
MUTANT_RUNS_MAX = 200

MET_IN_ANY_CASE = {
    "a commit of a transaction that the server had ended",
    "a commit of unknown outcome",
    "a conversation of a gone assignee that was locked",
    "a merger",
    "a message to an assignee who is gone",
    "a channel that says when it received",
    "a channel that was locked",
    "a close that was overtaken",
    "a deletion",
    "a partition that was rewound",
    "a poll that was lost",
    "a position that was claimed already",
    "polls of a partition with a gap between them",
    "several partitions in one transaction",
    "several rows of a shard in one statement",
    "a relay that finds rows gone",
    "a relay that is no owner any more",
    "a transaction of a relay that was fenced",
    "a unique violation",
    "a wait for a lock",
}


def test_every_promise_is_kept_whoever_dies_when() -> None:
    met: Counter[str] = Counter()
    with simulated():
        for seed in range(RUNS):
            done = run(seed)
            assert done.broken is None, f"python -m tests.simulation --seed {seed}: {done.broken}"
            met += done.met
    assert MET_IN_ANY_CASE - met.keys() == set()


def test_a_seed_is_one_history() -> None:
    with simulated():
        assert run(7) == run(7)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_is_noticed(mutant: str) -> None:
    with simulated(MUTANTS[mutant]):
        runs = (run(seed, mix=MIX_OF.get(mutant)) for seed in range(MUTANT_RUNS_MAX))
        assert any(done.broken for done in runs)
