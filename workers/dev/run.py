"""Runs `inbox dev`: the servers, a worker, the sales day; then it waits for Ctrl-C."""

import asyncio
import fcntl
import logging
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.text import Text

from db.connect import connect
from db.errors import SchemaMismatch
from schemas.fields import ConversationId
from workers.dev.embedded.jars import kafka_jars
from workers.dev.embedded.ports import free_port, port_is_free
from workers.dev.embedded.process import EmbeddedServerError
from workers.dev.hints import api_url, print_hints
from workers.dev.issuer import Issuer
from workers.dev.sales_day.actors import Actors
from workers.dev.sales_day.crm import Crm
from workers.dev.sales_day.day import Day
from workers.dev.sales_day.directory import AccountDirectory
from workers.dev.sales_day.story import ACCOUNT, ACCOUNT_SID, SENDER, USERS
from workers.dev.sales_day.summary import summarize
from workers.dev.sales_day.webhook import Webhook
from workers.dev.stack import prepare, servers
from workers.dev.twilio_stand_in.server import Account, TwilioStandIn
from workers.dev.worker_child import WorkerChild, worker_child
from workers.follow.follower import FOLLOWED_TOPICS, Follower
from workers.kafka.publisher import Publisher
from workers.kafka.topic_admin import TopicMismatch
from workers.process.errors import CommandFailed
from workers.settings import Settings, required
from workers.settings.values import TwilioAccount

DEFAULT_PARTITIONS = "8"
SOURCE = "/inbox/dev"
STATUS_PAUSE_SECONDS = 0.2
"""Between two statuses of a reply, so that people see one after the other."""

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended: 128 plus the number of SIGINT."""


def run(environment: Mapping[str, str], console: Console, *, exits: bool) -> int:
    """Run everything, and return the exit status.

    Raises SettingsError; and CommandFailed when a server fails or the day does not go as planned.
    """
    auth_token = secrets.token_hex(16)
    settings = dev_settings(environment, console, auth_token)
    directory = settings.data_dir / "dev"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"INBOX_DATA_DIR: cannot make {directory}: {error}") from error
    try:
        with _only_one(directory), _logging_to(directory / "dev.log"):
            if settings.kafka is None:
                # Here rather than in a thread, which Ctrl-C could not interrupt.
                kafka_jars()
            return asyncio.run(_Run(settings, directory, console, auth_token, exits).run())
    except TopicMismatch as error:
        kept = "" if settings.kafka else f" (remove {directory} to begin anew)"
        raise CommandFailed(f"topics are not as they must be{kept}:\n{error}") from error
    except (EmbeddedServerError, SchemaMismatch) as error:
        raise CommandFailed(str(error)) from error
    except KeyboardInterrupt:
        return INTERRUPTED


def dev_settings(environment: Mapping[str, str], console: Console, auth_token: str) -> Settings:
    """Returns the settings of the environment, completed for a development machine."""
    given = {name: value for name, value in environment.items() if value.strip()}
    settings = Settings.from_environment({"INBOX_PARTITIONS": DEFAULT_PARTITIONS} | given)
    port = settings.web_port
    if not port_is_free(port):
        port = free_port()
        console.print(f"port {settings.web_port} is taken: the web server is on {port}")
    if "INBOX_TWILIO_API_URL" in given:
        console.print("INBOX_TWILIO_API_URL is not used: replies go to a stand-in for Twilio")
    if "INBOX_API_ISSUER" in given:
        console.print("INBOX_API_ISSUER is not used: the API takes the tokens of this run alone")
    return replace(
        settings,
        data_dir=settings.data_dir.resolve(),
        web_port=port,
        public_url=settings.public_url
        if "INBOX_PUBLIC_URL" in given
        else f"http://127.0.0.1:{port}",
        twilio_accounts=settings.twilio_accounts
        | {ACCOUNT_SID: TwilioAccount(account_id=ACCOUNT, auth_token=auth_token)},
    )


def stand_in(settings: Settings) -> TwilioStandIn:
    """Returns the stand-in for Twilio that takes a run's replies. It is always used.

    The day's account is invented, so none of its requests may reach the real Twilio. And only this
    process knows the token of that account, which authenticates replies and signs receipts. The
    stand-in takes the replies of the user's own accounts too, because the worker posts the replies
    of all accounts to one URL.
    """
    accounts = {
        sid: Account(auth_token=account.auth_token)
        for sid, account in settings.twilio_accounts.items()
        if account.auth_token
    }
    worker = settings.local_url
    return TwilioStandIn(
        accounts, reached_at={settings.public_url: worker}, pause_seconds=STATUS_PAUSE_SECONDS
    )


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Raise CommandFailed when another `inbox dev` runs in this directory."""
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(
                f"another `inbox dev` runs in {directory}: "
                "stop it first, or give this one an INBOX_DATA_DIR of its own"
            ) from None
        yield


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Write the log records of libraries to a file, not between the lines of the day."""
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


@dataclass
class _Run:
    """One run of `inbox dev`."""

    settings: Settings
    directory: Path
    console: Console
    auth_token: str
    exits: bool
    issuer: Issuer = field(default_factory=Issuer)
    day_is_over: bool = False
    interrupted: bool = False

    async def run(self) -> int:
        """Run until the day is over or a signal comes, and return the exit status."""
        self._stop_on_signals()
        try:
            await self._run()
        except asyncio.CancelledError:
            if not self.interrupted:
                raise
        self.console.print("everything has stopped")
        return 0 if self.day_is_over else INTERRUPTED

    def _stop_on_signals(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def stop() -> None:
            # Only once: a second Ctrl-C must not interrupt the stop of the servers.
            if not self.interrupted:
                self.interrupted = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    async def _run(self) -> None:
        async with AsyncExitStack() as running:
            with self._step(f"Kafka and Postgres, in {self.directory}"):
                settings = await running.enter_async_context(servers(self.settings, self.directory))
            with self._step("the database is migrated, the topics are made"):
                await prepare(settings)
            twilio = stand_in(settings)
            with self._step(f"a stand-in for Twilio, on port {twilio.port}"):
                await running.enter_async_context(twilio)
            settings = replace(settings, twilio_api_url=twilio.url)
            with self._step(f"a worker, on port {settings.web_port}"):
                # Not the user's data directory: a real worker may have left webhooks there.
                own = replace(settings, data_dir=self.directory)
                own = self.issuer.trusted_by(own, self.directory)
                worker = await running.enter_async_context(worker_child(own, self.directory))
                running.callback(self.console.print, "stopping the worker, Kafka and Postgres")
                await worker.wait_ready()
            conversation_id = await self._play(settings, worker)
            self.day_is_over = True
            if not self.exits:
                print_hints(
                    self.console, self.settings, settings, conversation_id, self.issuer.token
                )
                await worker.wait_ended()

    async def _play(self, settings: Settings, worker: WorkerChild) -> ConversationId:
        """Play the day, and return one of its conversations."""
        async with AsyncExitStack() as running:
            follower = await running.enter_async_context(
                Follower(settings, FOLLOWED_TOPICS, from_start=False)
            )
            publisher = await running.enter_async_context(Publisher(settings, SOURCE))
            session = await running.enter_async_context(aiohttp.ClientSession())
            database = required(settings.database_url, "INBOX_DATABASE_URL")
            connection = await connect(database, "inbox dev")
            running.push_async_callback(connection.close)
            directory = AccountDirectory(publisher, connection, worker.check)
            with self._step(_account_description()):
                await directory.seed()
            with self._step("the API knows them"):
                await self._check_api(session, settings)
            actors = Actors(
                webhook=Webhook(settings, session),
                publisher=publisher,
                directory=directory,
                crm=Crm(publisher, connection, worker.check),
                auth_token=self.auth_token,
            )
            day = Day(console=self.console, follower=follower, actors=actors, check=worker.check)
            await day.play()
            self.console.print(await summarize(day, connection))
            return next(iter(day.names))

    async def _check_api(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        """Ask the API as each user who they are. Raises CommandFailed."""
        for user in USERS:
            token = self.issuer.token(user.account_id, user.user_id)
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(api_url(settings, "/me"), headers=headers) as answer:
                if answer.status != 200 or (await answer.json())["user_id"] != user.user_id:
                    raise CommandFailed(f"the API does not know {user.name}: {answer.status}")

    @contextmanager
    def _step(self, description: str) -> Iterator[None]:
        """Show that a step is running, and how long it took when it is done."""
        began = time.monotonic()
        with self.console.status(Text(description)):
            yield
        seconds = time.monotonic() - began
        self.console.print(Text.assemble(("ready", "green"), f"  {description} ({seconds:.1f} s)"))


def _account_description() -> str:
    names = ", ".join(str(user.name) for user in USERS)
    return f"account {ACCOUNT}: {names}; channel {SENDER}"
