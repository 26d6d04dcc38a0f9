"""The Faust app of one worker: the wiring between its roles, and what watches over them."""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

import faust
from faust.types import TP
from faust.types.web import Web

from db.outbox import OutboxRow
from workers.agents.table import AGENTS
from workers.ingest.positions import Positions
from workers.ingest.transport import Transport
from workers.kafka.installation import installation_of
from workers.periodic.upkeep import UPKEEP_SECONDS, Upkeep
from workers.process import metrics
from workers.process.crash import end_process_on_error
from workers.process.hooks import Hooks
from workers.process.watchdog import Watchdog
from workers.settings import DEFAULT_ROLES, Role, Settings, required
from workers.worker.database import Database
from workers.worker.faust_settings import faust_settings
from workers.worker.installation_check import InstallationCheck
from workers.worker.role import BackgroundWork, WorkerRole
from workers.worker.roles import roles_of
from workers.worker.web import add_health_routes, limit_stop, raise_backlog


class InboxApp(faust.App):
    """The app of one worker, with the roles that it plays."""

    def __init__(self, settings: Settings, roles: Collection[Role] = DEFAULT_ROLES) -> None:
        brokers = required(settings.kafka, "INBOX_KAFKA")
        self._only_serves = set(roles) == {"api"}
        """Whether it has the rights of the API's Postgres role alone, which changes nothing."""
        self.database = Database(_database_url(settings, only_serves=self._only_serves))
        super().__init__(settings.group, **faust_settings(settings, brokers))
        self.settings = settings
        metrics.INFO.labels(settings.topic_prefix).set(1)
        self.watchdog = Watchdog(settings.stall_seconds)
        self._alive = self.watchdog.progress
        self.reads = not {"ingest", "relay"}.isdisjoint(roles)
        """Whether it joins the consumer group at all."""
        self._ingests = "ingest" in roles
        self._spools = "web" in roles and not self.reads
        """Whether it is of use without Postgres."""
        topics = [settings.topic(name) for name in AGENTS] if self._ingests else []
        self.positions = Positions(topics, self.database.acquire, self._alive)
        self._check = InstallationCheck(
            settings,
            self.database,
            self._alive,
            waits_for_login=self._spools,
            claims=not self._only_serves,
        )
        hooks = Hooks(self._committed, self._alive)
        self.roles = roles_of(roles, settings, self.positions, hooks, self._check)
        self._started_roles: list[WorkerRole] = []
        """The roles that are whole. A stop may come while the database is still waited for."""
        for role in self.roles:
            role.join(self)
        if not self.reads:
            # Without a consumer it starts though Kafka is down: the spool takes the webhooks.
            self.boot_strategy.enable_kafka = False
        self.on_partitions_assigned.connect(self._assign)

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self, self.positions, self.settings)

    def _create_directories(self) -> None:
        """Faust's directories are for its tables, of which there are none."""

    def _committed(self, rows: list[OutboxRow]) -> None:
        for role in self._started_roles:
            role.committed(rows)

    async def on_start(self) -> None:
        """Check the database, and start the roles.

        A worker that reads waits until Postgres answers, and ends without Kafka. One that only
        sends or receives webhooks does neither: its spool takes the webhooks until the check,
        even if Postgres refuses the login.
        """
        await super().on_start()
        pool = await self.database.pool
        self.async_exit_stack.callback(pool.terminate)
        self.watchdog.start()
        if self.reads:
            await end_process_on_error(self._check.check_settings())
            mine = await installation_of(self.settings)
            await end_process_on_error(self._check.check_all(mine))
        else:
            self._run([self._check.check_in_time()])
        for role in self.roles:
            await role.start(pool)
            self._started_roles.append(role)
            self.async_exit_stack.push_async_callback(role.close)
        for role in self.roles:
            self._run(role.work())
        if not self._only_serves:
            upkeep = Upkeep(pool, self._alive, is_sign_of_life=not self._ingests)
            self._run([self._keep_up(upkeep)])

    async def _keep_up(self, upkeep: Upkeep) -> None:
        """Do the upkeep, once the database is known to be of this worker's topics."""
        while not self._check.may_send.is_set():
            # Servers are waited for, which is no stall.
            self._alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._check.may_send.wait(), UPKEEP_SECONDS)
        await upkeep.run()

    def _run(self, work: Iterable[BackgroundWork]) -> None:
        for one in work:
            self.add_future(end_process_on_error(one))

    async def _assign(self, _app: Any, /, *args: Any, **_: Any) -> None:
        if self.should_stop:
            # The roles have stopped, and must not begin again.
            return
        assigned: set[TP] = args[0]
        self.positions.assigned = frozenset(assigned)
        self._alive()
        for role in self._started_roles:
            await role.assigned(assigned)
        metrics.PARTITIONS.clear()
        for tp in assigned:
            metrics.PARTITIONS.labels(tp.topic).inc()

    @property
    def ready(self) -> bool:
        """Whether the group has assigned its partitions, and every role does what it was given."""
        if self.reads:
            begun = self.positions.assigned is not None and not self.rebalancing
        else:
            begun = self.started
        return begun and all(role.ready for role in self.roles)

    def on_webserver_init(self, web: Web) -> None:
        """Add our routes to Faust's web server."""
        limit_stop(web)
        raise_backlog(web)
        router = web.web_app.router  # type: ignore[attr-defined]  # the aiohttp driver has one
        add_health_routes(router, self)
        # None has started where Faust makes the server for a command of its own.
        for role in self._started_roles:
            role.add_routes(router)

    async def on_stop(self) -> None:
        """Stop within the watchdog's limit, even if something hangs."""
        self.watchdog.stopping()
        for role in reversed(self._started_roles):
            await role.stop()
        await super().on_stop()
        for role in reversed(self._started_roles):
            await role.unassign()

    async def on_shutdown(self) -> None:
        """Everything has stopped by now, and the roles and the pool are closed."""
        await super().on_shutdown()
        self.watchdog.stop()


def _database_url(settings: Settings, *, only_serves: bool) -> str:
    """Returns the URL with which a worker logs in. Raises SettingsError."""
    if only_serves:
        return required(settings.api_database_url, "INBOX_API_DATABASE_URL")
    return required(settings.database_url, "INBOX_DATABASE_URL")
