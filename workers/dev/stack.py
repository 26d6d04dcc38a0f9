"""The servers of `inbox dev`, the tests and the benchmarks: started, migrated, with topics.

Whatever the settings name is used as it is; what they do not name is started embedded.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.databases import OWNER, WORKER, ensure_database, ensure_roles
from db.migrate import migrate
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.server import EmbeddedServer
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings, required

DATABASE = "inbox"

_WITHOUT_SECURITY: dict[str, Any] = {
    "security_protocol": "PLAINTEXT",
    "kafka_username": None,
    "kafka_password": None,
    "kafka_cafile": None,
    "kafka_certfile": None,
    "kafka_keyfile": None,
}
"""What is set for some other Kafka would keep clients from the embedded one."""


@asynccontextmanager
async def stack(settings: Settings, directory: Path) -> AsyncIterator[Settings]:
    """Settings that name running servers, migrated and with topics; stopped at the end.

    Raises EmbeddedServerError when a server does not start.
    """
    async with servers(settings, directory) as running:
        await prepare(running)
        yield running


@asynccontextmanager
async def servers(settings: Settings, directory: Path) -> AsyncIterator[Settings]:
    """Settings that name running servers; Kafka is stopped first at the end, then Postgres.

    Raises EmbeddedServerError when a server does not start.
    """
    postgres = None if settings.database_url else EmbeddedPostgres(directory / "postgres")
    kafka = None if settings.kafka else EmbeddedKafka(directory / "kafka")
    embedded = [server for server in (postgres, kafka) if server is not None]
    try:
        await _start(embedded)
        if kafka is not None:
            settings = replace(settings, kafka=(kafka.bootstrap,), **_WITHOUT_SECURITY)
        if postgres is not None:
            settings = await with_database(settings, postgres, DATABASE)
        yield settings
    finally:
        for server in reversed(embedded):
            await asyncio.to_thread(server.stop)


async def _start(embedded: Sequence[EmbeddedServer]) -> None:
    """Start servers at once, and return, or raise, when none is still starting."""
    starting = asyncio.gather(
        *(asyncio.to_thread(server.start) for server in embedded), return_exceptions=True
    )
    try:
        outcomes = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be cancelled, and what it starts is there to be stopped only afterwards.
        await starting
        raise
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def prepare(settings: Settings) -> None:
    """Migrate the database and create the topics.

    Raises SchemaMismatch or TopicMismatch when they are there and otherwise than they must be.
    """
    await migrate(required(settings.migration_database_url, "INBOX_DATABASE_URL"))
    await ensure_topics(settings)


async def with_database(
    settings: Settings, postgres: EmbeddedPostgres, name: str, template: str = "template1"
) -> Settings:
    """Settings that name a database on an embedded Postgres, made with fresh passwords."""
    owner, worker = secrets.token_hex(16), secrets.token_hex(16)
    await ensure_roles(postgres.superuser_url, owner, worker)
    await ensure_database(postgres.superuser_url, name, template)
    return replace(
        settings,
        given_migration_database_url=postgres.url(name, OWNER, owner),
        database_url=postgres.url(name, WORKER, worker),
    )
