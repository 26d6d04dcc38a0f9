"""Connects to the tables of a run as their owner, who may read and change everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from db.connect import Connection
from workers.settings import Settings, required


@asynccontextmanager
async def owner_connection(settings: Settings) -> AsyncIterator[Connection]:
    """A connection of the owner's, without the limits of a worker's; closed at the end."""
    connection = await asyncpg.connect(required(settings.migration_database_url, "database"))
    try:
        yield connection
    finally:
        await connection.close()
