"""Sends replies: claims the parts that are due, posts each once, and checks the uncertain ones.

Several workers share the work through Postgres. A worker claims a conversation by locking its row
for a moment, so that its parts go out in order. The claim of a part is committed before its POST.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from db.connect import AnyConnection, Pool
from db.errors import is_transient
from db.sends import due_conversations, sends_by_message
from domain.listed_messages import CLOCKS_APART, ListedMessage
from domain.sending import POST_SECONDS, NotTaken, Send
from workers.process import metrics
from workers.process.hooks import Hooks
from workers.process.retries import pause_seconds, until_done
from workers.sending.claim import SendClaim
from workers.sending.settlement import Settlement
from workers.settings import Settings
from workers.twilio.client import Twilio
from workers.twilio.http import TWILIO_REQUEST_SECONDS

log = logging.getLogger(__name__)

SENDER_IDLE_SECONDS = 0.5
"""How long to wait before the next claim when nothing was due and nobody wakes the sender."""

LATE_SECONDS = POST_SECONDS - TWILIO_REQUEST_SECONDS
"""A POST that has not begun so long after its claim is not made: other workers would give it up
while it is in flight."""

SENDER_STOP_SECONDS = 4.0
"""How long a stop waits for the POSTs in flight. The outcome of later ones is unknown."""


class _Claimed(NamedTuple):
    """The parts that a transaction claimed for POSTs, and when it began (monotonic)."""

    posts: Sequence[Send]
    began: float


class Sender:
    """The sender of one worker. Make it inside a running event loop."""

    def __init__(self, settings: Settings, pool: Pool, hooks: Hooks) -> None:
        self._settings = settings
        self._pool = pool
        self._hooks = hooks
        self._twilio = Twilio(settings)
        self._settlement = Settlement(settings, pool, hooks)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        """The POSTs and checks in flight."""
        self._unconfirmed: _Claimed | None = None
        """A claim whose commit is of unknown outcome."""
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()

    def wake(self) -> None:
        """Make it claim now: there may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until `stop` is called. Raises every error that is not transient."""
        self._ended.clear()
        try:
            await self._send()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=SENDER_STOP_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._twilio.close()
            self._ended.set()

    async def stop(self) -> None:
        """Claim nothing more, and wait for the POSTs and checks in flight."""
        self._stopping = True
        self._wake.set()
        with suppress(TimeoutError):
            # A claim may wait for a database that does not answer.
            await asyncio.wait_for(self._ended.wait(), SENDER_STOP_SECONDS + 1)

    async def _send(self) -> None:
        failures = 0
        while not self._stopping:
            self._raise_failures()
            try:
                wait_seconds = await self._claim()
                failures = 0
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1
                log.warning("sender: %s", type(error).__name__)
                wait_seconds = pause_seconds(failures)
            if wait_seconds > 0:
                await self._wait(wait_seconds)

    def _raise_failures(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            task.result()
        metrics.SENDS_IN_FLIGHT.set(len(self._tasks))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        # Its end makes room, or is an error that `run` has to raise.
        task.add_done_callback(lambda _: self._wake.set())
        self._tasks.add(task)

    async def _wait(self, seconds: float) -> None:
        self._hooks.alive()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _claim(self) -> float:
        """Commit a claim, and start its POSTs and checks; the seconds until the next claim."""
        room = self._settings.sends_in_flight - len(self._tasks)
        if room <= 0:
            return SENDER_IDLE_SECONDS
        async with self._pool.acquire() as connection:
            await self._resume(connection)
            keys = await due_conversations(connection, room)
            if not keys:
                return SENDER_IDLE_SECONDS
            began = monotonic()
            async with connection.transaction():
                claim = await SendClaim.load(connection, keys, self._settings)
                claim.decide(room)
                self._unconfirmed = _Claimed(claim.posts, began)
                rows = await claim.save(connection)
            self._unconfirmed = None
        self._hooks.committed(rows)
        for send in claim.posts:
            self._start(self._post(send, began))
        for send in claim.checks:
            self._start(self._check_listing(send))
        if claim.posts or claim.checks or claim.has_moved:
            return 0
        return min(SENDER_IDLE_SECONDS, claim.wait_seconds or SENDER_IDLE_SECONDS)

    async def _resume(self, connection: AnyConnection) -> None:
        """Start the POSTs of an unconfirmed claim, if it turns out to be committed."""
        if self._unconfirmed is None:
            return
        posts, began = self._unconfirmed
        keys = [(send.account_id, send.message_id, send.part) for send in posts]
        committed = await sends_by_message(connection, keys)
        self._unconfirmed = None
        for send in posts:
            if send in committed:
                self._start(self._post(send, began))

    async def _post(self, send: Send, began: float) -> None:
        if monotonic() - began > LATE_SECONDS:
            # This process was frozen, or waited for the database.
            await self._settle(lambda: self._settlement.after_post(send, NotTaken(0)))
            return
        with metrics.SEND_SECONDS.time():
            outcome = await self._twilio.post(send)
        metrics.SENDS.labels(type(outcome).__name__).inc()
        await self._settle(lambda: self._settlement.after_post(send, outcome))

    async def _check_listing(self, send: Send) -> None:
        listed = await self._list(send)
        await self._settle(lambda: self._settlement.after_check(send, listed))

    async def _list(self, send: Send) -> list[ListedMessage]:
        """The messages in the provider's list that a part may have become.

        Empty when the provider does not return the whole list.
        """
        sid = self._twilio.account_of(send)
        if sid is None:
            return []
        messages = self._twilio.messages(
            send.account_id,
            sid=sid,
            from_address=send.from_address,
            to_address=send.to_address,
            since=send.began_at - CLOCKS_APART,
        )
        try:
            return [
                ListedMessage(
                    message.sid,
                    message.body,
                    message.status,
                    message.error_code,
                    message.created_at,
                )
                async for message in messages
            ]
        except Exception as error:
            # Twilio may answer anything. The next check may get the list.
            log.warning("sender: the list of messages: %s", type(error).__name__)
            return []

    async def _settle(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write to the database how a POST or a check ended, until the database takes it."""
        await until_done("sender", write, self._hooks.alive)
