"""The Faust app: agents on our transport, the relay, the web server, and what watches over them."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, get_args

import faust
from aiokafka.errors import KafkaError
from faust.types import TP
from faust.types.web import Web

from db.connect import Pool, pool
from db.errors import is_transient
from db.migrate import verify
from db.outbox import OutboxRow, ensure_shards
from db.positions import load_positions
from schemas.cloudevents import Decoders
from schemas.topics import RELAY_SHARDS
from workers.agents.directory_cache import Directories
from workers.agents.table import AGENTS, Agent, Context
from workers.ingest.batch_loop import BatchLoop, Work
from workers.ingest.lanes import Groups
from workers.ingest.transport import Consumer, Poll, PollSchema, Transport
from workers.outbox.relay import Relay
from workers.periodic.upkeep import keep_house
from workers.periodic.window_warnings import Windows
from workers.process import metrics
from workers.process.errors import StrangeLog
from workers.process.watchdog import Watchdog
from workers.sending.sender import Sender
from workers.settings import Role, Settings, required
from workers.webhooks.receiver import Receiver
from workers.webhooks.routes import TwilioWebhooks
from workers.worker.faust_settings import faust_settings
from workers.worker.health import add_health_routes
from workers.worker.web_stop import limit_stop

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

BATCHES_MAX = 3
"""Transactions of one topic at once."""

DATABASE_RETRY_SECONDS = 1.0
STRANGE_LOG_CHECKS = 4
EXIT_SOFTWARE = 70
"""sysexits.h: an internal error. A supervisor starts the worker again."""


class InboxApp(faust.App):
    """The app of one worker, with the roles it plays."""

    pool: Pool

    def __init__(self, settings: Settings, roles: Collection[Role] = get_args(Role)) -> None:
        brokers = required(settings.kafka, "INBOX_KAFKA")
        required(settings.database_url, "INBOX_DATABASE_URL")
        super().__init__(settings.group, **faust_settings(settings, brokers))
        self.settings = settings
        self.roles = frozenset(roles)
        self.directories = Directories()
        self.ingested_topics: set[str] = set()
        self.applied: dict[TP, int] = {}
        """The position after the last record applied, of every partition assigned."""
        self.assigned: frozenset[TP] | None = None
        """What the consumer group gave this worker; None before it first did."""
        self.watchdog = Watchdog(settings.stall_seconds)
        self.relay = Relay(settings)
        self.sender = Sender(settings, self.relay.hand_over, self._sender_is_well)
        if "ingest" in self.roles:
            self._add_agents()
        if "relay" in self.roles:
            self._add_relay()
        if not self.reads:
            # Reading nothing, it needs no consumer, and starts though Kafka is away: webhooks
            # are taken by the spool until it is there.
            self.boot_strategy.enable_kafka = False
        self.receiver = Receiver(settings)
        self.on_partitions_assigned.connect(self._assign)
        self.task(partial(keep_house, self))

    @property
    def reads(self) -> bool:
        """Whether it takes part in the consumer group at all."""
        return not self.roles.isdisjoint({"ingest", "relay"})

    def _sender_is_well(self) -> None:
        """A sign of life of a worker that reads nothing: no record tells whether it is well."""
        if not self.reads:
            self.watchdog.progress()

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Faust's directories are for its tables, of which there are none."""

    def _add_agents(self) -> None:
        context = Context(self.directories, self.settings.app_url)
        for name, agent in AGENTS.items():
            self._add_agent(name, agent, partial(agent.begin, context))

    def _add_agent(self, name: str, agent: Agent, begin: Callable[[], Work]) -> None:
        topic = self.settings.topic(name)
        self.ingested_topics.add(topic)
        decoders = Decoders(agent.structs)
        records_max = min(agent.records_max, self.settings.batch_records)

        async def apply(stream: Any) -> None:
            loop = BatchLoop(
                name,
                decoders,
                begin,
                pool=self.pool,
                settings=self.settings,
                records_max=records_max,
                committed=self._committed,
                alive=self.watchdog.progress,
            )
            async with asyncio.TaskGroup() as tasks:
                groups: Groups[TP, Any] = Groups(
                    BATCHES_MAX,
                    records_max,
                    lambda events: self._guarded(self._apply(loop, events)),
                    tasks.create_task,
                )
                async for event in stream.noack().events():
                    poll: Poll = event.value
                    await groups.add(poll.tp, poll.size, event)

        self.agent(self.topic(topic, schema=PollSchema()), name=name)(apply)

    def _committed(self, rows: list[OutboxRow]) -> None:
        self.relay.hand_over(rows)
        # There may have been replies in it.
        self.sender.wake()

    async def _apply(self, loop: BatchLoop, events: Sequence[Any]) -> bool:
        if (passed_over := await loop.apply([event.value for event in events])) is None:
            return False
        for tp, position in passed_over.items():
            await self.ingest_consumer.rewind(tp, position)
        for event in events:
            if (tp := event.value.tp) not in passed_over:
                self.applied[tp] = event.value.end
                event.ack()
        return True

    def _add_relay(self) -> None:
        # The group hands out shards as this topic's partitions; who takes one over reads them.
        topic = self.topic(self.settings.topic("relay"), schema=PollSchema())

        async def relay(stream: AsyncIterable[Any]) -> None:
            async for _ in stream:
                raise AssertionError("the partitions of the relay are paused")

        self.agent(topic, name="relay")(relay)

    @property
    def ingest_consumer(self) -> Consumer:
        """The consumer, which is ours."""
        consumer = self.consumer
        assert isinstance(consumer, Consumer)
        return consumer

    async def on_start(self) -> None:
        """Connect, and check that the database is the one this program needs."""
        await super().on_start()
        url = required(self.settings.database_url, "INBOX_DATABASE_URL")
        self.pool = pool(url, "inbox worker", connections_max=4 * BATCHES_MAX + RELAY_SHARDS)
        await self.pool
        self.relay.start(self.pool)
        self.watchdog.start()
        check = self._guarded(self._when_database_answers(self._check_database))
        if not self.reads:
            self.add_future(check)
        else:
            await check
        if "web" in self.roles:
            await self.receiver.start(self.pool)
            self.add_future(self._guarded(self.receiver.run()))
        if "ingest" in self.roles:
            windows = Windows(
                self.settings,
                self.directories,
                pool=self.pool,
                committed=self.relay.hand_over,
                alive=self.watchdog.progress,
            )
            self.add_future(self._guarded(windows.watch()))
        if "relay" in self.roles:
            self.add_future(self._guarded(self.relay.watch()))
            self.add_future(self._guarded(self.relay.wait_failed()))
        if "send" in self.roles:
            self.add_future(self._guarded(self.sender.run(self.pool)))

    async def _check_database(self) -> None:
        async with self.pool.acquire() as connection:
            await verify(connection)
            await ensure_shards(connection, RELAY_SHARDS)

    async def load_positions(self, tps: Collection[TP]) -> dict[TP, int]:
        """Where each partition is to be read from."""

        async def load() -> dict[TP, int]:
            async with self.pool.acquire() as connection:
                found = await load_positions(connection, [(tp.topic, tp.partition) for tp in tps])
            return {TP(*partition): position for partition, position in found.items()}

        positions = await self._when_database_answers(load)
        self.applied = dict(positions)
        return positions

    async def check_positions(self, positions: Mapping[TP, int]) -> None:
        """End this process when a position is beyond its log: that is some other Kafka's."""
        await self._guarded(self._check_positions(positions))

    async def _check_positions(self, positions: Mapping[TP, int]) -> None:
        for attempt in range(STRANGE_LOG_CHECKS):
            try:
                ends = await self.ingest_consumer.ends(positions)
            except (KafkaError, TimeoutError):
                return
            beyond = [tp for tp, position in positions.items() if position > ends[tp]]
            if not beyond:
                return
            # A broker that just started may not know yet how far its log is committed.
            await asyncio.sleep(attempt)
        tp = beyond[0]
        raise StrangeLog(
            f"{tp.topic}[{tp.partition}] is applied up to {positions[tp]}, but its log ends at "
            f"{ends[tp]}: this Kafka and this Postgres are not of one history"
        )

    async def _when_database_answers(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        while True:
            try:
                return await ask()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("the database does not answer: %s", type(error).__name__)
                self.watchdog.progress()
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    async def _assign(self, _app: Any, /, *args: Any, **_: Any) -> None:
        assigned: set[TP] = args[0]
        self.assigned = frozenset(assigned)
        self.watchdog.progress()
        relay_topic = self.settings.topic("relay")
        await self.relay.assign(tp.partition for tp in assigned if tp.topic == relay_topic)
        metrics.PARTITIONS.clear()
        for tp in assigned:
            metrics.PARTITIONS.labels(tp.topic).inc()

    @property
    def ready(self) -> bool:
        """Whether the group has given its partitions out, and every shard given is published."""
        if not self.reads:
            return self.started
        return self.assigned is not None and not self.rebalancing and self.relay.running

    def on_webserver_init(self, web: Web) -> None:
        """Add our routes to Faust's web server."""
        limit_stop(web)
        router = web.web_app.router  # type: ignore[attr-defined]  # the aiohttp driver has one
        add_health_routes(router, self)
        if "web" in self.roles:
            TwilioWebhooks(self.settings, self.receiver).add_routes(router)

    async def on_stop(self) -> None:
        """Stop within the watchdog's limit, whatever hangs."""
        self.watchdog.stopping()
        await self.sender.stop()
        await super().on_stop()
        await self.relay.stop()

    async def on_shutdown(self) -> None:
        """Close what is left when everything has stopped."""
        await super().on_shutdown()
        await self.receiver.stop()
        if hasattr(self, "pool"):
            self.pool.terminate()
        self.watchdog.stop()

    async def _guarded(self, work: Awaitable[ResultT]) -> ResultT:
        """Await work that must not fail: if it does, this process is not to be trusted."""
        try:
            return await work
        except Exception:
            log.critical("this worker cannot go on", exc_info=True)
            logging.shutdown()
            sys.stderr.flush()
            os._exit(EXIT_SOFTWARE)
