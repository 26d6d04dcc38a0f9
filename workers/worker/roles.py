"""The roles of a worker. Each puts the parts together that do its work."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import faust
from aiohttp import web
from faust.types import TP

from db.connect import Pool
from db.outbox import OutboxRow
from schemas.cloudevents import Decoders
from workers.agents.directory_cache import DirectoryCache
from workers.agents.last_received import LastReceived
from workers.agents.table import AGENTS, AgentContext
from workers.api.handling import add_operations
from workers.api.postgres_watch import PostgresWatch
from workers.api.service import Api
from workers.api.table import OPERATIONS
from workers.ingest.batch_loop import BatchLoop
from workers.ingest.lag import Lag
from workers.ingest.partition_counts import PartitionCounts
from workers.ingest.poll import PollSchema
from workers.ingest.positions import Positions
from workers.ingest.topic_reader import TopicReader
from workers.ingest.transport import Consumer
from workers.kafka.topic_admin import partition_counter
from workers.outbox.relay import Relay
from workers.periodic.gone_assignees import GoneAssignees
from workers.periodic.window_warnings import WindowWarnings
from workers.process.crash import end_process_on_error
from workers.process.hooks import Hooks
from workers.sending.sender import Sender
from workers.settings import Role, Settings, required
from workers.webhooks.receiver import Receiver
from workers.webhooks.routes import TwilioWebhooks
from workers.worker.installation_check import InstallationCheck
from workers.worker.role import BackgroundWork, WorkerRole


class IngestRole(WorkerRole):
    """Applies the records of the input topics, warns of windows that close, and unassigns the
    conversations of users who are gone."""

    def __init__(self, settings: Settings, positions: Positions, hooks: Hooks) -> None:
        self._settings = settings
        self._positions = positions
        self._hooks = hooks
        self._directories = DirectoryCache()

    def join(self, app: faust.App) -> None:
        """One agent for each topic of `AGENTS`."""
        self._app = app
        for name in AGENTS:
            self._join_topic(app, name)

    def _join_topic(self, app: faust.App, name: str) -> None:
        async def read(stream: Any) -> None:
            await self._read(name, stream)

        topic = app.topic(self._settings.topic(name), schema=PollSchema())
        app.agent(topic, name=name)(read)

    async def start(self, pool: Pool) -> None:
        """Make the parts that read positions, directories and lag."""
        self._pool = pool
        self._windows = WindowWarnings(
            self._settings, self._directories, pool=pool, hooks=self._hooks
        )
        self._gone = GoneAssignees(self._settings, pool=pool, hooks=self._hooks)
        brokers = required(self._settings.kafka, "INBOX_KAFKA")
        self._lag = Lag(brokers, self._positions, self._consumer, self._hooks.alive)
        self._partitions = PartitionCounts(partial(partition_counter, self._settings))

    @property
    def _consumer(self) -> Consumer:
        return cast(Consumer, self._app.consumer)

    async def _read(self, name: str, stream: Any) -> None:
        """The body of an agent: Faust runs it with the stream of its topic's polls."""
        agent = AGENTS[name]
        context = AgentContext(self._directories, LastReceived(), self._settings.app_url)
        loop = BatchLoop(
            name,
            Decoders(agent.structs),
            partial(agent.begin, context),
            pool=self._pool,
            settings=self._settings,
            records_max=min(agent.records_max, self._settings.batch_records),
            hooks=self._hooks,
        )
        async with asyncio.TaskGroup() as tasks:

            def start(work: BackgroundWork) -> asyncio.Task[None]:
                return tasks.create_task(end_process_on_error(work))

            reader = TopicReader(loop, self._positions, self._consumer.rewind, start)
            await reader.read(stream.noack().events())

    def work(self) -> Sequence[BackgroundWork]:
        """The window warnings, the assignees who are gone, the lag, and the watch on the numbers of
        partitions."""
        return (
            self._windows.watch(),
            self._gone.watch(),
            self._lag.watch(),
            self._partitions.watch(),
        )


class RelayRole(WorkerRole):
    """Publishes the shards of the outbox that the consumer group assigns to this worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic("relay")

    def join(self, app: faust.App) -> None:
        """An agent on the topic whose partitions stand for shards; it makes the group assign them.

        Its records are the relay's own markers, which the relay reads by itself.
        """

        async def relay(stream: Any) -> None:
            async for _ in stream:
                raise AssertionError("the partitions of the relay are paused")

        app.agent(app.topic(self._topic, schema=PollSchema()), name="relay")(relay)

    async def start(self, pool: Pool) -> None:
        """Make the relay."""
        self._relay = Relay(self._settings, pool)

    def work(self) -> Sequence[BackgroundWork]:
        """The watch for other workers' commits, and for shards that cannot go on."""
        return (self._relay.watch(), self._relay.wait_failed())

    async def assigned(self, partitions: set[TP]) -> None:
        """Publish the shards whose partitions were assigned."""
        await self._relay.assign(tp.partition for tp in partitions if tp.topic == self._topic)

    def committed(self, rows: list[OutboxRow]) -> None:
        """Hand the rows to their shards, which then need not read them from the table."""
        self._relay.offer(rows)

    @property
    def ready(self) -> bool:
        """Whether every assigned shard is published."""
        return self._relay.running

    async def unassign(self) -> None:
        """Stop publishing; the next owner repeats the transactions that were under way."""
        await self._relay.stop()


class SendRole(WorkerRole):
    """Sends replies through the provider."""

    def __init__(self, settings: Settings, hooks: Hooks, check: InstallationCheck) -> None:
        self._settings = settings
        self._hooks = hooks
        self._check = check

    async def start(self, pool: Pool) -> None:
        """Make the sender."""
        self._sender = Sender(self._settings, pool, self._hooks)

    def work(self) -> Sequence[BackgroundWork]:
        """The sender."""
        return (self._send(),)

    async def _send(self) -> None:
        # The sender needs no Kafka, so it waits for an answer, but not for a Kafka that is away.
        await self._check.may_send.wait()
        await self._sender.run()

    def committed(self, rows: list[OutboxRow]) -> None:
        """Wake the sender: replies may have been recorded."""
        self._sender.wake()

    async def stop(self) -> None:
        """Claim nothing more, and let the POSTs under way end."""
        await self._sender.stop()


class WebRole(WorkerRole):
    """Receives Twilio's webhooks."""

    def __init__(self, settings: Settings, check: InstallationCheck) -> None:
        self._settings = settings
        self._check = check

    async def start(self, pool: Pool) -> None:
        """Make the receiver, and open its spool."""
        self._receiver = Receiver(self._settings, pool, self._check.all_fits)
        await self._receiver.start()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The routes of the webhooks."""
        TwilioWebhooks(self._settings, self._receiver).add_routes(router)

    def work(self) -> Sequence[BackgroundWork]:
        """The receiver's producer and spool."""
        return (self._receiver.run(),)

    async def close(self) -> None:
        """Stop the receiver, once the web server takes no more requests."""
        await self._receiver.stop()


class ApiRole(WorkerRole):
    """Serves the HTTP API."""

    def __init__(self, settings: Settings, hooks: Hooks, check: InstallationCheck) -> None:
        self._settings = settings
        self._hooks = hooks
        self._check = check

    async def start(self, pool: Pool) -> None:
        """Make the API. It has a pool of its own."""
        self._api = Api(self._settings, self._check.all_fits)
        self._postgres = PostgresWatch(self._api.pool_of_watch, self._hooks.alive)
        await self._api.start()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The routes of all operations. Until the schema is known to fit, they are unavailable."""
        is_open = self._check.schema_fits.is_set
        add_operations(router, OPERATIONS, self._api.admission, self._api, is_open)

    def work(self) -> Sequence[BackgroundWork]:
        """What follows Kafka for the API, and the watch on Postgres."""
        return (*self._api.work(), self._postgres.run())

    @property
    def ready(self) -> bool:
        """Whether Postgres answers, and results and events are followed."""
        return self._postgres.answers and self._api.follower.has_place

    async def stop(self) -> None:
        """End the streams, so that clients go to another worker."""
        await self._api.stop()

    async def close(self) -> None:
        """Release everything, once the web server takes no more requests."""
        await self._api.close()


def roles_of(
    names: Collection[Role],
    settings: Settings,
    positions: Positions,
    hooks: Hooks,
    check: InstallationCheck,
) -> list[WorkerRole]:
    """Make the roles with these names."""
    if not {"ingest", "relay"}.isdisjoint(names):
        # The idle rounds of the others must not hide from the watchdog that nothing is read.
        idle_hooks = replace(hooks, alive=lambda: None)
    else:
        idle_hooks = hooks
    makers: dict[Role, Callable[[], WorkerRole]] = {
        "ingest": lambda: IngestRole(settings, positions, hooks),
        "relay": lambda: RelayRole(settings),
        "send": lambda: SendRole(settings, idle_hooks, check),
        "web": lambda: WebRole(settings, check),
        "api": lambda: ApiRole(settings, idle_hooks, check),
    }
    return [make() for name, make in makers.items() if name in names]
