"""Sends replies: claims what is due, posts it once, and finds out what became of the rest.

Several workers share the work through Postgres. A conversation is claimed by locking its row for a
moment, so that its parts go out in order; what is being posted is committed before the POST.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from db.connect import AnyConnection, Pool
from db.errors import is_transient
from db.outbox import OutboxRow
from db.sends import due_conversations, sends_by_message
from domain.sending import CLOCKS_APART, POST_SECONDS, Listed, NotTaken, Send
from workers.process import metrics
from workers.process.retries import pause_seconds
from workers.sending.claim import SendClaim
from workers.sending.settlement import Settlement
from workers.settings import Settings
from workers.twilio.client import REQUEST_SECONDS, Twilio

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How often it is asked whether something is due when nobody says so."""

LATE_SECONDS = POST_SECONDS - REQUEST_SECONDS
"""A POST that has not begun so long after its claim is not made: the others would take it for lost
while it is under way."""

STOP_SECONDS = 4.0
"""What is being posted may end; later, it is of unknown outcome."""


class _Claimed(NamedTuple):
    """What a transaction claimed, and when it began (monotonic)."""

    posts: Sequence[Send]
    began: float


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
        self._unsure: _Claimed | None = None
        """A claim of which nobody knows whether it is committed."""
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()

    def wake(self) -> None:
        """Say that there may be something to send."""
        self._work.set()

    async def run(self, pool: Pool) -> None:
        """Send until told to stop. Raises whatever is a bug."""
        self._ended.clear()
        self._pool = pool
        self._twilio = Twilio(self._settings)
        self._settlement = Settlement(self._settings, pool, self._committed)
        try:
            await self._send()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._twilio.close()
            self._ended.set()

    async def stop(self) -> None:
        """Claim nothing more, and let end what is being posted."""
        self._stopping = True
        self._work.set()
        with suppress(TimeoutError):
            # A claim may wait for a database that does not answer.
            await asyncio.wait_for(self._ended.wait(), STOP_SECONDS + 1)

    async def _send(self) -> None:
        failures = 0
        while not self._stopping:
            self._raise_failures()
            try:
                wait_seconds = await self._claim()
                failures = 0
            except Exception as error:
                failures += 1
                wait_seconds = _pause_seconds(error, failures)
            if wait_seconds > 0:
                await self._wait(wait_seconds)

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

    async def _wait(self, seconds: float) -> None:
        self._alive()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), seconds)
        self._work.clear()

    async def _claim(self) -> float:
        """Commit what this worker is about to do, and begin it; in how many seconds to go on."""
        room = self._settings.sends_in_flight - len(self._tasks)
        if room <= 0:
            return IDLE_SECONDS
        async with self._pool.acquire() as connection:
            await self._resume(connection)
            keys = await due_conversations(connection, room)
            if not keys:
                return IDLE_SECONDS
            claim = SendClaim(self._settings)
            began = monotonic()
            self._unsure = _Claimed(claim.posts, began)
            async with connection.transaction():
                await claim.load(connection, keys)
                claim.decide(room)
                rows = await claim.save(connection)
            self._unsure = None
        self._committed(rows)
        for send in claim.posts:
            self._start(self._post(send, began))
        for send in claim.looks:
            self._start(self._look(send))
        if claim.posts or claim.looks or claim.has_moved:
            return 0
        return min(IDLE_SECONDS, claim.wait_seconds or IDLE_SECONDS)

    async def _resume(self, connection: AnyConnection) -> None:
        """Post what was claimed, if a commit of unknown outcome turns out to be done."""
        if self._unsure is None:
            return
        posts, began = self._unsure
        keys = [(send.account_id, send.message_id, send.part) for send in posts]
        committed = await sends_by_message(connection, keys)
        self._unsure = None
        for send in posts:
            if send in committed:
                self._start(self._post(send, began))

    async def _post(self, send: Send, began: float) -> None:
        if monotonic() - began > LATE_SECONDS:
            # This process was frozen, or waited for its database.
            await self._settle(lambda: self._settlement.after_post(send, NotTaken(0)))
            return
        with metrics.SEND_SECONDS.time():
            outcome = await self._twilio.post(send)
        metrics.SENDS.labels(type(outcome).__name__).inc()
        await self._settle(lambda: self._settlement.after_post(send, outcome))

    async def _look(self, send: Send) -> None:
        listed = await self._listed(send)
        await self._settle(lambda: self._settlement.after_look(send, listed))

    async def _listed(self, send: Send) -> list[Listed]:
        """What a part may have become, in the provider's own list; none unless it tells all."""
        if not self._twilio.knows(send.account_id):
            return []
        messages = self._twilio.messages(
            send.account_id,
            from_address=send.from_address,
            to_address=send.to_address,
            since=(send.posting_at or send.created_at) - CLOCKS_APART,
        )
        try:
            return [
                Listed(
                    message.sid,
                    message.body,
                    message.status,
                    message.error_code,
                    message.created_at,
                )
                async for message in messages
            ]
        except Exception as error:
            # Any answer is possible. What it does not tell now it may tell the next time.
            log.warning("sender: the list of messages: %s", type(error).__name__)
            return []

    async def _settle(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write down what became of a part, until the database takes it."""
        failures = 0
        while True:
            try:
                return await write()
            except Exception as error:
                failures += 1
                await asyncio.sleep(_pause_seconds(error, failures))


def _pause_seconds(error: Exception, failures: int) -> float:
    """How long to wait before the database is asked again. Raises what will not pass."""
    if not is_transient(error):
        raise error
    log.warning("sender: %s", type(error).__name__)
    return pause_seconds(failures)
