"""The servers of `inbox dev`, the tests and the benchmarks: started, migrated, with topics.

Whatever the settings name is used as it is; what they do not name is started embedded.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from db.databases import OWNER, WORKER, ensure_database, ensure_roles
from db.migrate import migrate
from workers.embedded.kafka import EmbeddedKafka
from workers.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required
from workers.topics import ensure_topics

DATABASE = "inbox"


@asynccontextmanager
async def stack(settings: Settings, directory: Path) -> AsyncIterator[Settings]:
    """Settings that name running servers, migrated and with topics; stopped at the end.

    Raises EmbeddedServerError when a server does not start.
    """
    kafka = None if settings.kafka else EmbeddedKafka(directory / "kafka")
    postgres = None if settings.database_url else EmbeddedPostgres(directory / "postgres")
    servers = [server for server in (postgres, kafka) if server is not None]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
        if kafka is not None:
            settings = replace(settings, kafka=(kafka.bootstrap,))
        if postgres is not None:
            settings = await with_database(settings, postgres, DATABASE)
        await migrate(required(settings.migration_database_url, "INBOX_DATABASE_URL"))
        await ensure_topics(settings)
        yield settings
    finally:
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in servers))


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
