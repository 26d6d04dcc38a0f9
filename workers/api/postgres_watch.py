"""Knows whether Postgres answers the API, for the readiness of its worker."""

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

from db.errors import is_transient
from db.queries import QUERIES
from workers.api.api_pool import ApiPool

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0
ANSWER_SECONDS = 2.0
"""A Postgres that takes longer counts as away."""


class PostgresWatch:
    """Asks Postgres for the time, again and again."""

    def __init__(self, pool: ApiPool, alive: Callable[[], None]) -> None:
        """`alive` is called each time: the loop runs, and to wait for Postgres is no stall."""
        self._pool = pool
        self._alive = alive
        self.answers = False
        """Whether Postgres answered the last time."""

    async def run(self) -> NoReturn:
        """Ask for ever. Raises what is a bug."""
        while True:
            self._alive()
            try:
                async with asyncio.timeout(ANSWER_SECONDS), self._pool.acquire() as connection:
                    await connection.fetchval(QUERIES["clock"])
                self.answers = True
            except Exception as error:
                if not is_transient(error):
                    raise
                if self.answers:
                    log.warning("the API: Postgres does not answer: %s", type(error).__name__)
                self.answers = False
            await asyncio.sleep(WATCH_SECONDS)
