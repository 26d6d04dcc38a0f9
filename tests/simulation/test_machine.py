"""The same simulation with Hypothesis choosing: what it finds, it makes short."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.simulation.choices import Choices, Drawn
from tests.simulation.inputs import MIXES, Mix
from tests.simulation.mutants import MUTANTS
from tests.simulation.product import simulated
from tests.simulation.published import Broken
from tests.simulation.simulation import Simulation

HOW = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    max_examples=60,
    stateful_step_count=50,
    # A busy machine is slow at making examples, which says nothing about the code.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DATA = st.data()
UPSETS = ("rebalance", "crash", "start", "freeze", "thaw", "sever", "lose")
"""What may happen to a worker."""


class Inbox(RuleBasedStateMachine):
    """Workers, publishers and faults; each rule is one of the simulation's actions."""

    simulation: Simulation

    @initialize(mix=st.sampled_from(MIXES))
    def begin(self, mix: Mix) -> None:
        """Two workers, and nothing published."""
        self.simulation = Simulation(mix)

    def _do(self, action: Callable[[Choices], str | None], data: st.DataObject) -> None:
        self.simulation.do(action.__name__, lambda: action(Drawn(data)))
        note(self.simulation.history[-1])

    @rule(data=DATA)
    def publish(self, data: st.DataObject) -> None:
        """Somebody publishes something, new or old."""
        self._do(self.simulation.publish, data)

    @rule(data=DATA)
    def poll(self, data: st.DataObject) -> None:
        """A worker fetches records."""
        self._do(self.simulation.poll, data)

    @rule(data=DATA)
    def run(self, data: st.DataObject) -> None:
        """One worker goes on for a while."""
        self._do(self.simulation.run_one, data)

    @rule(data=DATA)
    def go_on(self, data: st.DataObject) -> None:
        """One step is taken."""
        self._do(self.simulation.go_on, data)

    @rule(data=DATA, hours=st.integers(0, 3).map(lambda number: number == 3))
    def pass_time(self, data: st.DataObject, hours: bool) -> None:
        """Seconds pass, or hours."""
        self._do(self.simulation.pass_hours if hours else self.simulation.pass_time, data)

    @rule(data=DATA, commit=st.booleans())
    def fail(self, data: st.DataObject, commit: bool) -> None:
        """A connection is lost."""
        self._do(self.simulation.fail_commit if commit else self.simulation.fail, data)

    @rule(data=DATA, upset=st.sampled_from(UPSETS))
    def upset(self, data: st.DataObject, upset: str) -> None:
        """A worker comes, goes, freezes, wakes up; or loses what it has."""
        self._do(getattr(self.simulation, upset), data)

    def teardown(self) -> None:
        """Everything comes to rest, and every promise is checked."""
        if hasattr(self, "simulation"):
            try:
                note("come to rest")
                self.simulation.come_to_rest()
            finally:
                self.simulation.close()


@pytest.mark.timeout(900)  # Making a history short may take five minutes.
def test_every_promise_is_kept_in_histories_of_hypothesis() -> None:
    with simulated():
        run_state_machine_as_test(Inbox, settings=HOW)


@pytest.mark.parametrize(
    "mutant", ["messages have no key", "positions are stored before the transaction"]
)
def test_hypothesis_finds_a_mistake(mutant: str) -> None:
    with simulated(MUTANTS[mutant]), pytest.raises(Broken):
        # That it is found is enough; making it short takes a minute. It mostly takes fewer than 70
        # examples to find one; which come first changes with the text of the code.
        wanted = settings(HOW, max_examples=5_000, phases=[Phase.generate])
        run_state_machine_as_test(Inbox, settings=wanted)
