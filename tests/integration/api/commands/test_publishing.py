"""Commands over HTTP while Kafka or Postgres is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from db.migrate import migrate
from tests.harness.api import ROLES, ApiClient, trusting
from tests.harness.inbox import Inbox, open_inbox
from tests.harness.input_events import conversation, message
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import with_database
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings, required

MARIA = "whatsapp:+4915112345678"
ADDRESS = f"/conversations/{conversation(MARIA)}"

AWAY_SECONDS = 10.0
"""By then a request is answered, whatever hangs. It is about three times what the API allows."""


@dataclass
class Own:
    """Servers of the test's own, since it stops them, and a worker with the API on them."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka
    settings: Settings
    worker: Worker


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Own]:
    """The servers and a worker, ready."""
    postgres, kafka = EmbeddedPostgres(tmp_path / "postgres"), EmbeddedKafka(tmp_path / "kafka")
    with postgres, kafka:
        port = str(free_port())
        given = {"INBOX_KAFKA": kafka.bootstrap, "INBOX_PARTITIONS": "2", "INBOX_WEB_PORT": port}
        data = {"INBOX_DATA_DIR": str(tmp_path)}
        settings = trusting(Settings.from_environment(given | data))
        settings = await with_database(settings, postgres, "inbox")
        await migrate(required(settings.migration_database_url, "database"))
        await ensure_topics(settings)
        worker = Worker(settings, tmp_path / "worker.log", ROLES)
        await worker.start()
        yield Own(postgres, kafka, settings, worker)
        await worker.stop()


async def story(own: Own) -> None:
    """Begin with a conversation at version 2."""
    owner = await asyncpg.connect(own.settings.migration_database_url)
    try:
        async with Topics(own.settings) as topics:
            inbox: Inbox = await open_inbox(own.settings, topics, owner)
            await inbox.apply(message(MARIA))
    finally:
        await owner.close()


async def refused_for_now(client: ApiClient, what: str, **given: Any) -> None:
    """Assert that a command is answered in time, with 503 and when to come again."""
    began = time.monotonic()
    refused = await client.post(f"{ADDRESS}/{what}", **given)
    assert time.monotonic() - began < AWAY_SECONDS
    assert (refused.status, refused.code) == (503, "unavailable")
    assert refused.headers["Retry-After"]


async def taken(client: ApiClient, what: str, **given: Any) -> dict[str, Any]:
    """Send a command again with the same key until it is applied; returns its result."""

    async def result() -> dict[str, Any] | None:
        answered = await client.post(f"{ADDRESS}/{what}", **given)
        assert answered.status in {200, 202, 503}
        return answered.json if answered.status == 200 else None

    found = await until(result, f"the result of {what}")
    assert found is not None
    return found


def keyed(key: str) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": key}}


async def test_what_cannot_be_published_is_503_and_goes_through_afterwards(own: Own) -> None:
    await story(own)
    async with ApiClient(own.settings, "ana") as ana:
        # Kafka is gone.
        await asyncio.to_thread(own.kafka.stop)
        await refused_for_now(ana, "close", **keyed("c1"))
        assert (await ana.get("/me")).status == 200
        assert (await ana.put("/me/availability", {"available": False})).status == 503
        await asyncio.to_thread(own.kafka.start)
        assert (await taken(ana, "close", **keyed("c1")))["version"] == 3

        # Postgres is gone.
        await asyncio.to_thread(own.postgres.stop)
        await refused_for_now(ana, "reopen", **keyed("c2"))
        await asyncio.to_thread(own.postgres.start)
        assert (await taken(ana, "reopen", **keyed("c2")))["version"] == 4
        for key, version in (("c1", 3), ("c2", 4)):
            assert (await ana.get(f"/commands/{key}")).json["version"] == version
