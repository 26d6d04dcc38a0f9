"""The connections to Postgres that the requests and the streams of one process share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.connect import AnyConnection, Pool, pool
from db.session import API_SESSION

APPLICATION = "inbox api"

WAIT_SECONDS = 2.0
"""How long to wait while all connections are taken. Postgres is frozen then, or asked too much, and
whoever waits longer would wait with ever more others."""

RELEASE_SECONDS = 2.0
"""How long Postgres may take to cancel the query of a request that ended. After that the connection
is closed."""


class ApiPool:
    """A pool whose connections nobody waits for without end."""

    def __init__(self, url: str, connections_max: int) -> None:
        """It connects when first used."""
        self._pool: Pool = pool(url, APPLICATION, connections_max, API_SESSION)
        self._places = asyncio.Semaphore(connections_max)

    async def open(self) -> None:
        """Make it usable. Postgres need not be there."""
        await self._pool

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[AnyConnection]:
        """Lend a connection. Raises TimeoutError if none is free within WAIT_SECONDS, and what
        connecting raises, which has limits of its own (a URL may have several hosts)."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._places.acquire()
        try:
            connection = await self._pool.acquire()
            try:
                yield connection
            finally:
                await self._pool.release(connection, timeout=RELEASE_SECONDS)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close all connections at once."""
        self._pool.terminate()
