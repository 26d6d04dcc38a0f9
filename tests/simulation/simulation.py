"""One simulated history: publishers, workers that die and freeze, and whose turn it is."""

from collections.abc import Callable
from functools import cache

from schemas.notes import NoteCreated
from tests.simulation.choices import Choices, in_one_of, one_of
from tests.simulation.inputs import PARTITIONS, Inputs, Mix, first_channel, first_users
from tests.simulation.kafka import Kafka, LogName
from tests.simulation.postgres import Postgres, Transaction
from tests.simulation.product import SHARDS
from tests.simulation.promises import Promises
from tests.simulation.published import Broken, expect
from tests.simulation.turns import Fate, Turn, Turns
from tests.simulation.worker import Worker
from tests.unit.domain.given.samples import HOUR
from workers.agents.table import AGENTS
from workers.settings import Settings

WORKERS_MAX = 4
"""Alive at once, the frozen ones among them."""

ROUNDS_MAX = 400
"""After so many rounds without a fault everything has come to rest."""

LOGS: tuple[LogName, ...] = tuple(
    (topic, partition) for topic in AGENTS for partition in range(PARTITIONS)
)


@cache
def _settings() -> Settings:
    return Settings.from_environment(
        {
            "INBOX_PARTITIONS": str(PARTITIONS),
            "INBOX_DEAD_LETTER_RUN": "1000000",
            "INBOX_DEAD_LETTER_RATIO": "1",
            "INBOX_PUBLIC_URL": "https://inbox.example.com",
        }
    )


class Simulation:
    """The servers, the workers and the publishers."""

    def __init__(self, mix: Mix) -> None:
        self.turns = Turns()
        self.postgres = Postgres(self.turns, self._committed)
        self.kafka = Kafka(self.turns)
        self.inputs = Inputs(self.kafka, mix)
        self.promises = Promises(self.postgres, self.kafka, self.inputs, mix)
        self.workers: list[Worker] = []
        self.steps = 0
        self.history: list[str] = []
        """What happened, in words."""
        self.met = self.turns.met
        self._numbers = 0
        tables = self.postgres.tables
        tables["users"] = {(one.account_id, one.user_id): one for one in first_users()}
        channel = first_channel()
        tables["accounts"] = {channel.account_id: 1}
        tables["channels"] = {(channel.account_id, channel.channel_id): channel}
        self.start_worker()
        self.start_worker()

    def _committed(self, transaction: Transaction) -> None:
        self.promises.follow_users()
        for applied in transaction.applied:
            self.promises.follow(applied, transaction.began)
            for item in applied.outgoing:
                if isinstance(item.data, NoteCreated):
                    self.inputs.notes.append((item.data.conversation_id, item.data.note_id))

    def act(self, choices: Choices) -> None:
        """Let one thing happen, and check what can be seen of it."""
        what, action = one_of(choices, _ACTIONS)
        self.do(what, lambda: action(self, choices))

    def do(self, what: str, action: Callable[[], str | None]) -> None:
        """One step of the history, and the checks after it."""
        self.steps += 1
        more = action()
        self.history.append(f"{what}: {more}" if more else what)
        self._check()

    def _check(self) -> None:
        for worker in self.workers:
            for failure in worker.failures():
                expect(not worker.process.is_alive, f"worker ends with {failure!r}")
        self.promises.check_published()

    def publish(self, choices: Choices) -> str:
        """Somebody publishes an event, or publishes it again, or what is none."""
        which = choices.below(16)
        if which == 0:
            return self.inputs.publish_garbage(choices)
        if which < 4:
            return self.inputs.repeat(choices)
        return self.inputs.publish(choices, self.postgres.now)

    def poll(self, choices: Choices) -> str | None:
        """A worker fetches records."""
        return self._poll(choices, is_lost=False)

    def lose(self, choices: Choices) -> str | None:
        """A poll is lost between fetcher and reader."""
        return self._poll(choices, is_lost=True)

    def _poll(self, choices: Choices, *, is_lost: bool) -> str | None:
        lanes = [
            (worker, lane)
            for worker in self.workers
            if worker.is_up
            for lane in worker.lanes.values()
            if self.kafka.inputs[lane.name].end > lane.position
        ]
        if not lanes:
            return None
        worker, lane = one_of(choices, lanes)
        count = worker.poll(lane, choices.below(12) + 1, is_lost=is_lost)
        return f"worker {worker.process.number} {lane.name} {count}"

    def go_on(self, choices: Choices) -> str | None:
        """Some of the steps that wait are taken."""
        turns = self._takeable()
        return self._take(one_of(choices, turns), Fate.DONE) if turns else None

    def run_one(self, choices: Choices) -> str | None:
        """One worker goes on for a while, and the others wait."""
        turns = self._takeable()
        if not turns:
            return None
        process = one_of(choices, turns).process
        count = choices.below(20) + 1
        for _ in range(count):
            own = [turn for turn in self._takeable() if turn.process is process]
            if own:
                self.steps += 1
                self.history.append(self._take(one_of(choices, own), Fate.DONE))
                self._check()
        return None

    def fail(self, choices: Choices) -> str | None:
        """A connection is lost, before a step is done or after it."""
        turns = self._takeable()
        if not turns:
            return None
        return self._take(one_of(choices, turns), one_of(choices, (Fate.FAILED, Fate.UNANSWERED)))

    def fail_commit(self, choices: Choices) -> str | None:
        """A commit is done, but its answer is lost; its worker may die at that moment."""
        turns = [turn for turn in self._takeable() if "commit" in turn.what]
        if not turns:
            return None
        turn = one_of(choices, turns)
        dies = in_one_of(choices, 2)
        taken = self._take(turn, Fate.UNANSWERED)
        return f"{taken}, {self._kill(turn.process.number)}" if dies else taken

    def _takeable(self) -> list[Turn]:
        return [turn for turn in self.turns.waiting if not turn.process.is_frozen]

    def _take(self, turn: Turn, fate: Fate) -> str:
        self.turns.give(turn, fate)
        return f"worker {turn.process.number} {turn.what}: {fate.value}"

    def pass_time(self, choices: Choices) -> str:
        """Time passes: retries, polling shards, requests without an answer."""
        seconds = one_of(choices, (0.05, 0.3, 1.1, 1.1, 6.0, 16.0))
        self.turns.pass_time(seconds)
        return f"{seconds} s"

    def pass_hours(self, choices: Choices) -> str:
        """Hours pass: windows close, notes end."""
        hours = one_of(choices, (1, 6, 12, 24))
        self.postgres.later += hours * HOUR
        return f"{hours} h"

    def crash(self, choices: Choices) -> str:
        """A worker dies, frozen or not."""
        return self._kill(one_of(choices, self.workers).process.number)

    def _kill(self, number: int) -> str:
        (worker,) = (one for one in self.workers if one.process.number == number)
        worker.die()
        self.workers.remove(worker)
        if not any(one.is_up for one in self.workers):
            self.start_worker()
        return f"worker {number} dies"

    def start(self, choices: Choices) -> str | None:
        """A worker is started."""
        if len(self.workers) < WORKERS_MAX:
            self.start_worker()
        return None

    def start_worker(self) -> None:
        """A worker joins, and everything is assigned anew."""
        self._numbers += 1
        worker = Worker(self._numbers, _settings(), self.postgres, self.kafka)
        self.workers.append(worker)
        self._assign(0)

    def rebalance(self, choices: Choices) -> str | None:
        """The group assigns everything anew, to the workers whose heartbeats it gets."""
        self._assign(choices.below(6))
        return None

    def _assign(self, shift: int) -> None:
        up = [worker for worker in self.workers if worker.is_up]
        for place, worker in enumerate(up):
            mine = [(number + shift) % len(up) == place for number in range(len(LOGS))]
            worker.read(log for log, is_mine in zip(LOGS, mine, strict=True) if is_mine)
            worker.publish(shard for shard in range(SHARDS) if mine[shard])
        self.turns.run_ready()

    def freeze(self, choices: Choices) -> str | None:
        """A worker freezes. The group takes its partitions from it, and it does not notice."""
        up = [worker for worker in self.workers if worker.is_up]
        if len(up) < 2:
            return None
        frozen = one_of(choices, up)
        frozen.process.is_frozen = True
        self._assign(choices.below(6))
        return f"worker {frozen.process.number}"

    def thaw(self, choices: Choices) -> str | None:
        """A worker wakes up, and goes on as if it still owned all that it had."""
        frozen = [worker for worker in self.workers if worker.process.is_frozen]
        if not frozen:
            return None
        worker = one_of(choices, frozen)
        worker.process.is_frozen = False
        return f"worker {worker.process.number}"

    def sever(self, choices: Choices) -> str:
        """Postgres ends the transactions of a worker that is silent for too long."""
        worker = one_of(choices, self.workers)
        self.postgres.sever(worker.process)
        self.turns.run_ready()
        return f"worker {worker.process.number}"

    def come_to_rest(self) -> None:
        """Without further faults everything is applied and published; check all promises."""
        for worker in self.workers:
            worker.process.is_frozen = False
            # A rebalance: what was lost between fetcher and agent is read again at the latest now.
            worker.read(())
        self._assign(0)
        for _ in range(ROUNDS_MAX):
            if self._is_at_rest():
                self.promises.check_all()
                return
            self._round()
        raise Broken("it comes to rest")

    def _round(self) -> None:
        for worker in self.workers:
            for lane in worker.lanes.values():
                worker.poll(lane, 100)
        while self.turns.waiting:
            self.turns.give(self.turns.waiting[0], Fate.DONE)
            self.steps += 1
        self._check()
        self.turns.pass_time(1.0)

    def _is_at_rest(self) -> bool:
        positions = self.postgres.tables["positions"]
        if self.postgres.tables["outbox"] or self.promises.is_held_by_the_gone():
            return False
        return all(positions.get(name, 0) == log.end for name, log in self.kafka.inputs.items())

    def close(self) -> None:
        """End all tasks."""
        for worker in self.workers:
            worker.die()
        self.turns.close()


_Action = tuple[str, Callable[[Simulation, Choices], str | None]]
_ACTIONS: tuple[_Action, ...] = (
    *[("publish", Simulation.publish)] * 14,
    *[("poll", Simulation.poll)] * 14,
    *[("go on", Simulation.go_on)] * 40,
    *[("run", Simulation.run_one)] * 16,
    *[("time passes", Simulation.pass_time)] * 4,
    ("hours pass", Simulation.pass_hours),
    *[("fail", Simulation.fail)] * 3,
    *[("fail a commit", Simulation.fail_commit)] * 2,
    ("lose a poll", Simulation.lose),
    ("crash", Simulation.crash),
    ("start", Simulation.start),
    ("rebalance", Simulation.rebalance),
    ("freeze", Simulation.freeze),
    ("thaw", Simulation.thaw),
    ("sever", Simulation.sever),
)
