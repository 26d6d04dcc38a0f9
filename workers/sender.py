"""Sends replies: claims what is due, posts it once, and finds out what became of the rest.

Several workers share the work through Postgres. A conversation is claimed by locking its row for a
moment, so that its parts go out in order; what is being posted is committed before the POST.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException

from db.connect import Pool
from db.errors import is_transient
from db.outbox import OutboxRow
from db.queries import QUERIES
from domain.sending import Listed, Send
from workers import metrics
from workers.send_claim import SendClaim
from workers.settings import Settings
from workers.settlement import Settlement
from workers.twilio_client import Twilio

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How often it is asked whether something is due when nobody says so."""

RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 5.0
STOP_SECONDS = 4.0
"""What is being posted may end; later, it is of unknown outcome."""

ResultT = TypeVar("ResultT")


class Sender:
    """The sender of one worker."""

    def __init__(
        self,
        settings: Settings,
        committed: Callable[[list[OutboxRow]], None],
        alive: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._committed = committed
        self._alive = alive
        self._work = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def wake(self) -> None:
        """Say that there may be something to send."""
        self._work.set()

    async def run(self, pool: Pool) -> None:
        """Send until told to stop. Raises whatever is a bug."""
        self._pool = pool
        self._twilio = Twilio(self._settings)
        self._settlement = Settlement(self._settings, pool, self._committed)
        try:
            while not self._stopping:
                self._raise_failures()
                free = self._settings.sends_in_flight - len(self._tasks)
                if not free or not await self._retried(partial(self._begin, free)):
                    await self._wait()
        finally:
            await self._end()

    async def stop(self) -> None:
        """Claim nothing more; what is being posted may end."""
        self._stopping = True
        self._work.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._twilio.close()

    def _raise_failures(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()
        metrics.SENDS_IN_FLIGHT.set(len(self._tasks))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        # Its end makes room, or is a bug that `run` has to hear of.
        task.add_done_callback(lambda _: self._work.set())
        self._tasks.add(task)

    async def _wait(self) -> None:
        self._alive()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), IDLE_SECONDS)
        self._work.clear()

    async def _retried(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask the database until it answers."""
        failures = 0
        while True:
            try:
                return await ask()
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1
                self._alive()
                limit = min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2 ** min(failures, 10))
                log.warning("sender: %s", type(error).__name__)
                await asyncio.sleep(limit * random.uniform(0.5, 1))  # noqa: S311  # spreads load

    async def _begin(self, free: int) -> bool:
        """Commit what this worker is about to do, and do it; whether there was anything."""
        async with self._pool.acquire() as connection, connection.transaction():
            now: datetime = await connection.fetchval(QUERIES["clock"])
            claim = SendClaim(self._settings, now)
            await claim.load(connection, free)
            claim.decide()
            rows = await claim.save(connection)
        self._committed(rows)
        for send in claim.posts:
            self._start(self._post(send))
        for send in claim.looks:
            self._start(self._look(send))
        return bool(claim.posts or claim.looks)

    async def _post(self, send: Send) -> None:
        with metrics.SEND_SECONDS.time():
            outcome = await self._twilio.post(send)
        metrics.SENDS.labels(type(outcome).__name__).inc()
        await self._retried(lambda: self._settlement.after_post(send, outcome))

    async def _look(self, send: Send) -> None:
        """Look for a part in the provider's own list."""
        listed: list[Listed] = []
        began = (send.posting_at or send.created_at) - timedelta(minutes=1)
        if self._twilio.knows(send.account_id):
            # What the list does not tell now it may tell the next time.
            with suppress(TwilioException, aiohttp.ClientError, TimeoutError):
                async for message in self._twilio.messages(
                    send.account_id,
                    from_address=send.from_address,
                    to_address=send.to_address,
                    since=began,
                ):
                    listed.append(
                        Listed(message.sid, message.body, message.status, message.created_at)
                    )
        await self._retried(lambda: self._settlement.after_look(send, listed))
