"""For tests of the spool: servers that a test may stop, and webhooks on a worker's disk."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg

from bench.mock_twilio.account import SID, TOKEN
from db.migrate import migrate
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio
from tests.harness.waiting import until
from tests.harness.webhook_stream import WebhookStream, first_of_each, has_all
from tests.harness.worker import Worker
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.server import EmbeddedServer
from workers.dev.stack import with_database
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings, required

_numbers = count(1)


class Servers(NamedTuple):
    """Servers for one test module, whose tests stop them."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka


@contextmanager
def own_servers(directory: Path) -> Iterator[Servers]:
    """A Postgres and a Kafka. A test that stops one starts it again."""
    postgres, kafka = EmbeddedPostgres(directory / "postgres"), EmbeddedKafka(directory / "kafka")
    with postgres, kafka:
        yield Servers(postgres, kafka)


async def settings_of(servers: Servers, data_dir: Path) -> Settings:
    """Settings with a database and topics of the test's own on these servers."""
    number = next(_numbers)
    port = free_port()
    environment = {
        "INBOX_KAFKA": servers.kafka.bootstrap,
        "INBOX_TOPIC_PREFIX": f"test{number}.",
        "INBOX_GROUP": f"test{number}",
        "INBOX_PARTITIONS": "4",
        "INBOX_WEB_PORT": str(port),
        "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INBOX_DATA_DIR": str(data_dir),
        "INBOX_TWILIO_ACCOUNTS": f'{{"{SID}": {{"account_id": "acme", "auth_token": "{TOKEN}"}}}}',
    }
    made = Settings.from_environment(environment)
    made = await with_database(made, servers.postgres, f"inbox_{number}")
    await migrate(required(made.migration_database_url, "database"))
    await ensure_topics(made)
    return made


@dataclass
class Scene:
    """All that a test uses."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka
    settings: Settings
    owner: Owner
    topics: Topics
    twilio: Twilio
    """Twilio, which posts even if no worker runs."""
    log: Path

    async def check(self, stream: WebhookStream) -> None:
        """Check that every answered message is recorded once and in order."""
        answered = stream.answered
        records = await self.topics.read_until(
            "messages.received", lambda all_: has_all(all_, answered)
        )
        found = first_of_each(records)
        for contact, ids in answered.items():
            assert [sid for sid in found[contact] if sid in ids] == ids
        by_contact = await until(partial(self._recorded, stream.count), f"{stream.count} messages")
        # A message has one row by its id, so no message can be there twice.
        assert by_contact == {contact: (ids, ids) for contact, ids in answered.items()}

    async def _recorded(self, enough: int) -> dict[str, tuple[list[str], list[str]]]:
        """By contact: the ids of the messages as they were recorded, and as they were sent.

        Empty when there are fewer than `enough`.
        """
        rows = await self.owner.fetch(
            "SELECT sender_address, array_agg(provider_message_id ORDER BY version) AS recorded,"
            " array_agg(provider_message_id ORDER BY sent_at) AS sent"
            " FROM inbox.messages GROUP BY 1"
        )
        count = sum(len(row["recorded"]) for row in rows)
        found = {row["sender_address"]: (row["recorded"], row["sent"]) for row in rows}
        return found if count >= enough else {}


@asynccontextmanager
async def set_scene(
    servers: Servers, settings: Settings, topics: Topics, session: aiohttp.ClientSession, log: Path
) -> AsyncIterator[Scene]:
    """Running servers, installed channels, and no worker yet."""
    owner = await asyncpg.connect(settings.migration_database_url)
    try:
        for channel_id, address in CHANNELS.items():
            await owner.execute(
                "INSERT INTO inbox.channels VALUES ($1, $2, 'twilio', $3, $2, 'ana', false, now())",
                ACCOUNT,
                channel_id,
                address,
            )
        twilio = Twilio(settings.public_url, session)
        yield Scene(*servers, settings, owner, topics, twilio, log)
    finally:
        await owner.close()


@asynccontextmanager
async def started(settings: Settings, log: Path, roles: str = "web") -> AsyncIterator[Worker]:
    """A worker; at the end it is stopped, and must exit with status 0."""
    worker = Worker(settings, log, roles)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@asynccontextmanager
async def hanging(server: EmbeddedServer) -> AsyncIterator[None]:
    """While the context lasts, a server hangs: it keeps its connections and answers nothing."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        await asyncio.to_thread(server.resume)


async def until_drained(worker: Worker) -> None:
    """Wait until the worker's spool is empty."""

    async def drained() -> bool:
        return metric(await worker.metrics(), "inbox_spool_bytes") == 0

    await until(drained, "an empty spool")


def metric(page: str, name: str) -> float:
    """The value of a metric without labels."""
    [line] = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(line.removeprefix(name))
