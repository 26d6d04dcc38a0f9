"""A worker: the product's batch loops and shards, behind a consumer group that is simulated."""

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import Context
from datetime import datetime
from functools import cache, partial
from typing import Any

from faust.types import TP

from db.outbox import OutboxRow
from domain.decision import Outgoing
from schemas.cloudevents import Decoders, Incoming
from tests.simulation.kafka import Kafka, Log, LogName
from tests.simulation.postgres import Connection, Pool, Postgres
from tests.simulation.product import KAFKA
from tests.simulation.turns import CURRENT, Process, Turns
from tests.unit.domain.given.simulation import Said
from workers.agents.directory_cache import Directories
from workers.agents.table import AGENTS
from workers.agents.table import Context as AgentContext
from workers.ingest.batch_loop import BatchLoop, Work
from workers.ingest.lanes import Groups
from workers.ingest.transport import Poll
from workers.outbox.shard import Shard
from workers.settings import Settings

RECORDS_MAX = 8
"""Records of one transaction; larger polls are cut."""

POLLS_WAITING_MAX = 2

GROUPS_MAX = 2
"""Transactions of one topic at once: so few that polls wait, and then go together."""


@cache
def _decoders(topic: str) -> Decoders:
    return Decoders(AGENTS[topic].structs)


class Observed:
    """A batch of an agent, whose decisions are noted in its transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def load(self, connection: Any, events: Sequence[Incoming[Any]]) -> None:
        """As the agent does."""
        self._connection: Connection = connection
        await self._work.load(connection, events)

    def decide(self, event: Incoming[Any], now: datetime) -> Iterable[Outgoing]:
        """As the agent does."""
        outgoing = tuple(self._work.decide(event, now))
        assert self._connection.within is not None
        self._connection.within.said.append(Said(event, now, outgoing))
        return outgoing

    async def save(self, connection: Any, now: datetime) -> None:
        """As the agent does."""
        await self._work.save(connection, now)


class Lane:
    """One partition as a worker reads it."""

    def __init__(self, name: LogName, position: int) -> None:
        self.name = name
        self.position = position
        """Where the next poll starts."""
        self.polls: asyncio.Queue[Poll] = asyncio.Queue()


class Worker:
    """A process with its batch loops, its lanes and its shards."""

    def __init__(self, number: int, settings: Settings, postgres: Postgres, kafka: Kafka) -> None:
        self.process = Process(number)
        self._settings = settings
        self._postgres = postgres
        self._turns: Turns = postgres.turns
        self._kafka = kafka
        self._context = Context()
        self._context.run(CURRENT.set, self.process)
        self._context.run(KAFKA.set, kafka)
        self._agents = AgentContext(Directories(), settings.app_url)
        self._loops: dict[str, BatchLoop] = {}
        self._groups: dict[str, Groups[TP, tuple[Lane, Poll]]] = {}
        self.lanes: dict[LogName, Lane] = {}
        self._shards: dict[int, tuple[Shard, asyncio.Task[None]]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def is_up(self) -> bool:
        """Whether the consumer group hears of it."""
        return self.process.is_alive and not self.process.is_frozen

    def read(self, logs: Iterable[LogName]) -> None:
        """Read these logs from now on, from where Postgres says, and no others."""
        wanted = set(logs)
        # What was read of those lost is worked on all the same: that is the worst case.
        self.lanes = {name: lane for name, lane in self.lanes.items() if name in wanted}
        for name in sorted(wanted - self.lanes.keys()):
            lane = Lane(name, self._postgres.tables["positions"].get(name) or 0)
            self.lanes[name] = lane
            self._start(self._run(lane))

    def publish(self, shards: Iterable[int]) -> None:
        """Publish these shards from now on, and no others."""
        wanted = set(shards)
        for number in self._shards.keys() - wanted:
            self._shards.pop(number)[1].cancel()
        for number in sorted(wanted - self._shards.keys()):
            shard = Shard(number, self._settings, self._pool)
            self._shards[number] = (shard, self._start(shard.run()))

    def poll(self, lane: Lane, records_max: int) -> int:
        """Fetch so many records of a log at most; how many there were."""
        log = self._kafka.inputs[lane.name]
        found = [record for record in log.records if record.offset >= lane.position]
        records = found[:records_max]
        if records and lane.polls.qsize() < POLLS_WAITING_MAX:
            end = _end(log, records[-1].offset, is_last=len(records) == len(found))
            lane.polls.put_nowait(Poll(TP(*lane.name), lane.position, end, list(records)))
            lane.position = end
            self._turns.run_ready()
        return len(records)

    def lose(self, lane: Lane) -> None:
        """Lose a poll on its way to the batch loop."""
        if not lane.polls.empty():
            lane.polls.get_nowait()

    def die(self) -> None:
        """Die at once: Postgres ends its transactions, and nothing else hears of it."""
        self.process.is_alive = False
        self._postgres.sever(self.process)
        for task in self.tasks:
            task.cancel()
        self._turns.run_ready()

    def failures(self) -> list[BaseException]:
        """What ended tasks that should not end."""
        done = [task for task in self.tasks if task.done()]
        if not done:
            return []
        self.tasks = [task for task in self.tasks if not task.done()]
        errors = (task.exception() for task in done if not task.cancelled())
        return [error for error in errors if error is not None]

    @property
    def _pool(self) -> Any:
        return Pool(self._postgres)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._turns.create_task(work, context=self._context)
        self.tasks.append(task)
        return task

    async def _run(self, lane: Lane) -> None:
        while True:
            poll = await lane.polls.get()
            await self._group(lane.name[0]).add(poll.tp, poll.size, (lane, poll))

    def _group(self, topic: str) -> Groups[TP, tuple[Lane, Poll]]:
        if topic not in self._groups:
            apply = partial(self._apply, self._loop(topic))
            self._groups[topic] = Groups(GROUPS_MAX, RECORDS_MAX, apply, self._start)
        return self._groups[topic]

    async def _apply(self, loop: BatchLoop, polls: Sequence[tuple[Lane, Poll]]) -> bool:
        passed_over = await loop.apply([poll for _, poll in polls])
        if passed_over is None:
            return False
        for lane, poll in polls:
            lane.position = passed_over.get(poll.tp, lane.position)
        return True

    def _loop(self, topic: str) -> BatchLoop:
        if topic not in self._loops:
            begin = partial(AGENTS[topic].begin, self._agents)
            self._loops[topic] = BatchLoop(
                topic,
                _decoders(topic),
                lambda: Observed(begin()),
                pool=self._pool,
                settings=self._settings,
                records_max=RECORDS_MAX,
                committed=self._committed,
                alive=lambda: None,
            )
        return self._loops[topic]

    def _committed(self, rows: list[OutboxRow]) -> None:
        for row in rows:
            if row.shard in self._shards:
                self._shards[row.shard][0].hand_over(row)


def _end(log: Log, last: int, *, is_last: bool) -> int:
    """The position after a poll, past a gap that follows it."""
    return log.end if is_last else last + 1
