"""Starts the servers of `inbox dev`, the tests and the benchmarks, migrated and with topics.

A server that the settings name is used as it is. A server that they do not name is started
embedded.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from db.databases import API, OWNER, WORKER, ensure_database, ensure_roles
from db.migrate import migrate
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.server import EmbeddedServer
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings, required
from workers.settings.kafka_security import PREFIX

DATABASE = "inbox"


@asynccontextmanager
async def stack(settings: Settings, directory: Path) -> AsyncIterator[Settings]:
    """Yield settings that name running servers, migrated and with topics. Stop them at the end.

    Raises EmbeddedServerError when a server does not start.
    """
    async with servers(settings, directory) as running:
        await prepare(running)
        yield running


@asynccontextmanager
async def servers(settings: Settings, directory: Path) -> AsyncIterator[Settings]:
    """Yield settings that name running servers. At the end stop Kafka first, then Postgres.

    Raises EmbeddedServerError when a server does not start.
    """
    postgres = None if settings.database_url else EmbeddedPostgres(directory / "postgres")
    kafka = None if settings.kafka else EmbeddedKafka(directory / "kafka")
    embedded = [server for server in (postgres, kafka) if server is not None]
    try:
        await _start(embedded)
        if kafka is not None:
            # The security of some other Kafka would keep clients from the embedded one.
            settings = replace(settings, kafka=(kafka.bootstrap,), **kafka_security_defaults())
        if postgres is not None:
            settings = await with_database(settings, postgres, DATABASE)
        yield settings
    finally:
        for server in reversed(embedded):
            await asyncio.to_thread(server.stop)


def kafka_security_defaults() -> dict[str, Any]:
    """Returns the default of each setting of Kafka's security, by the name of its field."""
    defaults = Settings.from_environment({})
    return {
        item.name: getattr(defaults, item.name)
        for item in fields(Settings)
        if item.metadata["variable"].name.startswith(PREFIX)
    }


async def _start(embedded: Sequence[EmbeddedServer]) -> None:
    """Start all servers at the same time. Return or raise only when none is still starting."""
    starting = asyncio.gather(
        *(asyncio.to_thread(server.start) for server in embedded), return_exceptions=True
    )
    try:
        outcomes = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be cancelled. The server that it starts can be stopped only afterwards.
        await starting
        raise
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def prepare(settings: Settings) -> None:
    """Migrate the database and create the topics.

    Raises SchemaMismatch or TopicMismatch when they exist and differ from what the code expects.
    """
    await migrate(required(settings.migration_database_url, "INBOX_DATABASE_URL"))
    await ensure_topics(settings)


async def with_database(
    settings: Settings, postgres: EmbeddedPostgres, name: str, template: str = "template1"
) -> Settings:
    """Create a database on an embedded Postgres, with new passwords, and return its settings."""
    owner, worker, api = (secrets.token_hex(16) for _ in range(3))
    await ensure_roles(postgres.superuser_url, owner, worker, api)
    await ensure_database(postgres.superuser_url, name, template)
    return replace(
        settings,
        given_migration_database_url=postgres.url(name, OWNER, owner),
        database_url=postgres.url(name, WORKER, worker),
        given_api_database_url=postgres.url(name, API, api),
    )
