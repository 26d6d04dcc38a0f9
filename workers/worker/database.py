"""This worker's Postgres: the pool, and the check that the database fits this program."""

from contextlib import AbstractAsyncContextManager
from functools import cached_property

from db.connect import AnyConnection, Pool, pool
from db.installation import (
    WORKER_APPLICATION,
    Installation,
    ensure_installation,
    load_installation,
    load_used_topics,
)
from db.migrate import verify
from db.outbox import ensure_shards
from schemas.topics import RELAY_SHARDS
from workers.ingest.topic_reader import TRANSACTIONS_MAX
from workers.kafka.installation import require_used_topics_fit

CONNECTIONS_MAX = 4 * TRANSACTIONS_MAX + RELAY_SHARDS
"""Of the topics few are busy at once; each shard holds a connection only while it reads."""


class Database:
    """The pool of one worker. It connects when first used, so a worker starts without Postgres."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def pool(self) -> Pool:
        """The pool. Made on first access, since it belongs to the event loop that runs then."""
        return pool(self._url, WORKER_APPLICATION, CONNECTIONS_MAX)

    def acquire(self) -> AbstractAsyncContextManager[AnyConnection]:
        """Borrow a connection for as long as the context lasts."""
        return self.pool.acquire()

    async def check(self) -> Installation | None:
        """Check the schema. Returns the topics that the database belongs to; None at first.

        Raises SchemaMismatch.
        """
        async with self.acquire() as connection:
            await verify(connection)
            return await load_installation(connection)

    async def claim(self, mine: Installation) -> Installation:
        """Write this worker's topics, unless others are there, and add the relay's shards.

        Returns the topics that are there. Raises ForeignInstallation if none are, but the positions
        are of other topics.
        """
        async with self.acquire() as connection:
            if await load_installation(connection) is None:
                require_used_topics_fit(await load_used_topics(connection), mine)
            stored = await ensure_installation(connection, mine)
            if stored == mine:
                await ensure_shards(connection, RELAY_SHARDS)
            return stored
