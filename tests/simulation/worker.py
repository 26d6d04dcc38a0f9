"""A worker: the product's readers, batch loops and shards, in a simulated consumer group."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextvars import Context
from datetime import datetime
from functools import cache, partial
from typing import Any

from faust.types import TP

from db.outbox import OutboxRow
from domain.outgoing import Outgoing
from schemas.cloudevents import Decoders, Incoming
from tests.simulation.kafka import Kafka, Log, LogName
from tests.simulation.postgres import Connection, Pool, Postgres
from tests.simulation.product import KAFKA
from tests.simulation.published import expect
from tests.simulation.turns import CURRENT, Process, Turns
from tests.unit.domain.given.memory_inbox import Applied
from workers.agents.directory_cache import DirectoryCache
from workers.agents.last_received import LastReceived
from workers.agents.table import AGENTS, AgentContext
from workers.agents.work import Work
from workers.ingest.batch_loop import BatchLoop
from workers.ingest.poll import Poll
from workers.ingest.positions import Positions
from workers.ingest.topic_reader import TopicReader
from workers.outbox.shard import Shard
from workers.periodic.gone_assignees import GoneAssignees
from workers.process.hooks import Hooks
from workers.settings import Settings

RECORDS_MAX = 8
"""Records of one transaction; larger polls are cut."""

POLLS_WAITING_MAX = 2

TRANSACTIONS_MAX = 2
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
        self._connection.within.applied.append(Applied(event, now, outgoing))
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


class Event:
    """A poll on its way to the reader of its topic, as Faust's events carry polls."""

    def __init__(self, poll: Poll, postgres: Postgres) -> None:
        self.value = poll
        self._postgres = postgres

    def ack(self) -> None:
        """Check that what is acked is applied."""
        name = (self.value.tp.topic, self.value.tp.partition)
        applied = self._postgres.tables["positions"].get(name, 0)
        expect(applied >= self.value.end, "a poll is acked only once it is applied")


class Feed:
    """The polls of one topic that its reader has not taken yet."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._filled = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add a poll."""
        self._events.append(event)
        self._filled.set()

    def waiting(self, lane: Lane) -> int:
        """How many polls of a partition there are."""
        return sum(event.value.tp == TP(*lane.name) for event in self._events)

    async def events(self) -> AsyncIterator[Event]:
        """All polls, in order, for ever."""
        while True:
            while not self._events:
                self._filled.clear()
                await self._filled.wait()
            yield self._events.pop(0)


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
        self._agents = AgentContext(DirectoryCache(), LastReceived(), settings.app_url)
        self._positions = Positions(AGENTS, self._pool.acquire, _nothing)
        self._feeds: dict[str, Feed] = {}
        self.lanes: dict[LogName, Lane] = {}
        self._shards: dict[int, tuple[Shard, asyncio.Task[None]]] = {}
        self.tasks: list[asyncio.Task[None]] = []
        hooks = Hooks(self._committed, _nothing)
        self._start(GoneAssignees(settings, pool=self._pool, hooks=hooks).watch())

    @property
    def is_up(self) -> bool:
        """Whether the consumer group gets its heartbeats."""
        return self.process.is_alive and not self.process.is_frozen

    def read(self, logs: Iterable[LogName]) -> None:
        """Read these logs from now on, from where Postgres says, and no others."""
        wanted = set(logs)
        # What was read of those lost is worked on all the same: that is the worst case.
        self.lanes = {name: lane for name, lane in self.lanes.items() if name in wanted}
        for name in sorted(wanted - self.lanes.keys()):
            self.lanes[name] = Lane(name, self._postgres.tables["positions"].get(name) or 0)

    def publish(self, shards: Iterable[int]) -> None:
        """Publish these shards from now on, and no others."""
        wanted = set(shards)
        for number in self._shards.keys() - wanted:
            self._shards.pop(number)[1].cancel()
        for number in sorted(wanted - self._shards.keys()):
            shard = Shard(number, self._settings, self._pool)
            self._shards[number] = (shard, self._start(shard.run()))

    def poll(self, lane: Lane, records_max: int, *, is_lost: bool = False) -> int:
        """Fetch so many records of a log at most; how many there were.

        What is lost is fetched, and never gets to the batch loop.
        """
        log = self._kafka.inputs[lane.name]
        found = [record for record in log.records if record.offset >= lane.position]
        records = found[:records_max]
        feed = self._feed(lane.name[0])
        if records and feed.waiting(lane) < POLLS_WAITING_MAX:
            end = _end(log, records[-1].offset, is_last=len(records) == len(found))
            poll = Poll(TP(*lane.name), lane.position, end, list(records), self._postgres.now)
            lane.position = end
            if is_lost:
                self._turns.met["a poll that was lost"] += 1
            else:
                feed.put(Event(poll, self._postgres))
            self._turns.run_ready()
        return len(records)

    def die(self) -> None:
        """Die at once: Postgres ends its transactions, and nobody else is informed."""
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

    def _feed(self, topic: str) -> Feed:
        if topic not in self._feeds:
            feed = self._feeds[topic] = Feed()
            reader = TopicReader(
                self._loop(topic),
                self._positions,
                self._rewind,
                self._start,
                transactions_max=TRANSACTIONS_MAX,
            )
            self._start(reader.read(feed.events()))
        return self._feeds[topic]

    async def _rewind(self, tp: TP, position: int) -> None:
        if lane := self.lanes.get((tp.topic, tp.partition)):
            self._turns.met["a partition that was rewound"] += 1
            lane.position = position

    def _loop(self, topic: str) -> BatchLoop:
        begin = partial(AGENTS[topic].begin, self._agents)
        return BatchLoop(
            topic,
            _decoders(topic),
            lambda: Observed(begin()),
            pool=self._pool,
            settings=self._settings,
            records_max=RECORDS_MAX,
            hooks=Hooks(self._committed, _nothing),
        )

    def _committed(self, rows: list[OutboxRow]) -> None:
        for row in rows:
            if row.shard in self._shards:
                self._shards[row.shard][0].offer(row)


def _nothing() -> None:
    """No watchdog looks on."""


def _end(log: Log, last: int, *, is_last: bool) -> int:
    """The position after a poll, past a gap that follows it."""
    return log.end if is_last else last + 1
