"""What a worker does every few seconds: measure the outbox, end frozen transactions, prune."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NoReturn

from db.commands import PRUNED_MAX, prune_commands
from db.connect import FROZEN_SECONDS, Pool, end_frozen_transactions
from db.errors import is_transient
from db.messages import prune_deleted_messages
from db.outbox import outbox_age
from db.queries import QUERIES
from db.seen import START, sweep_seen
from db.sends import prune_receipts
from workers.process import metrics

log = logging.getLogger(__name__)

UPKEEP_SECONDS = 5.0
PRUNE_SECONDS = 600.0

SWEEP_SECONDS = 86_400.0
"""How long after a sweep of what users have seen the next one begins. Each looks at all of it, some
rows per round."""


class Upkeep:
    """The upkeep of the database by one worker. Every worker does it; once would be enough."""

    def __init__(self, pool: Pool, alive: Callable[[], None], *, is_sign_of_life: bool) -> None:
        """`is_sign_of_life`: whether each round calls `alive`, as in a worker that reads nothing.

        `alive` is called in any case while Postgres is down, since waiting for it is no stall.
        """
        self._pool = pool
        self._alive = alive
        self._is_sign_of_life = is_sign_of_life
        self._prune_at = 0.0
        self._sweep_at = 0.0
        self._swept = START

    async def run(self) -> NoReturn:
        """Repeat for ever. Raises what is a bug."""
        while True:
            if self._is_sign_of_life:
                self._alive()
            try:
                await self._round()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._alive()
                log.info("upkeep: %s", type(error).__name__)
            await asyncio.sleep(UPKEEP_SECONDS)

    async def _round(self) -> None:
        await self._measure_outbox()
        await self._end_frozen_transactions()
        if time.monotonic() >= self._prune_at:
            all_pruned = await self._prune()
            self._prune_at = time.monotonic() + PRUNE_SECONDS if all_pruned else 0.0
        if time.monotonic() >= self._sweep_at:
            await self._sweep()

    async def _measure_outbox(self) -> None:
        async with self._pool.acquire() as connection:
            rows, age_seconds = await outbox_age(connection)
        metrics.OUTBOX_ROWS.set(rows)
        metrics.OUTBOX_AGE_SECONDS.set(age_seconds)

    async def _end_frozen_transactions(self) -> None:
        async with self._pool.acquire() as connection:
            if ended := await end_frozen_transactions(connection, FROZEN_SECONDS):
                log.warning("ended %d transactions of workers that are frozen", ended)

    async def _prune(self) -> bool:
        """Delete what is old enough, a limited number of rows. Returns whether none is left."""
        async with self._pool.acquire() as connection:
            now = await connection.fetchval(QUERIES["clock"])
            pruned = [
                await prune_commands(connection, now),
                await prune_deleted_messages(connection, now),
                await prune_receipts(connection, now),
            ]
        return max(pruned) < PRUNED_MAX

    async def _sweep(self) -> None:
        """Go on with the sweep of what users have seen."""
        async with self._pool.acquire() as connection:
            swept = await sweep_seen(connection, self._swept)
        if swept is None:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
        self._swept = swept or START
