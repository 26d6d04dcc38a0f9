"""This worker's Postgres: the pool, and the check that the database fits this program."""

from contextlib import AbstractAsyncContextManager
from functools import cached_property

from db.connect import AnyConnection, Pool, pool
from db.migrate import verify
from db.outbox import ensure_shards
from schemas.topics import RELAY_SHARDS
from workers.ingest.topic_reader import TRANSACTIONS_MAX

CONNECTIONS_MAX = 4 * TRANSACTIONS_MAX + RELAY_SHARDS
"""Of the topics few are busy at once; each shard holds a connection only while it reads."""


class Database:
    """The pool of one worker. It connects when first used, so a worker starts without Postgres."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def pool(self) -> Pool:
        """The pool. Made on first access, since it belongs to the event loop that runs then."""
        return pool(self._url, "inbox worker", CONNECTIONS_MAX)

    def acquire(self) -> AbstractAsyncContextManager[AnyConnection]:
        """Borrow a connection for as long as the context lasts."""
        return self.pool.acquire()

    async def check(self) -> None:
        """Check the schema, and add the relay's shards. Raises SchemaMismatch."""
        async with self.acquire() as connection:
            await verify(connection)
            await ensure_shards(connection, RELAY_SHARDS)
