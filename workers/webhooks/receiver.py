"""Takes verified webhooks: into Kafka, or onto this machine's disk until Kafka can be had.

In what order. Webhooks of one contact take turns: one is begun when the one before it is in Kafka
or stands in the queue of the spool. It goes into Kafka directly only while the spool is empty, and
whatever is in the spool goes into Kafka in the order it came, so that none overtakes another:

- One that was not acknowledged in time may still reach Kafka from the producer's buffer, before
  or after its copy in the spool is drained, even long after the contact's next message. Then the
  same message is there twice, and the second is dropped by its id. What counts is the first: no
  later message of the contact is given to Kafka before a copy of this one is acknowledged.
- The spool is empty only when Kafka has acknowledged all that was in it. A webhook that sees it
  empty may go directly: all that its contact's spooled ones say is in Kafka by then.
- One that fails while others pass directly makes the spool not empty at the moment it is put
  there, before its contact's turn ends. Other contacts' may pass it: no order was promised.
- After a crash nothing of the old process can enter Kafka later than the new one's, but for what
  is under way in the network; that is, again, a repeat of what the spool holds, or was never
  answered.

What is answered 503 was not taken: it may be in Kafka or on the disk all the same, and when Twilio
asks again it is a repeat.
"""

import asyncio
import logging
from collections.abc import Sequence
from weakref import WeakValueDictionary

from db.connect import Pool
from workers.settings import Settings
from workers.webhooks.delivery import Delivery
from workers.webhooks.producer import KeptProducer
from workers.webhooks.spool.spool import Chunk, Spool, SpoolRefused
from workers.webhooks.webhook import Webhook

log = logging.getLogger(__name__)

KAFKA_SECONDS = 2.0
"""How long Kafka, and Postgres before it, may take; then the spool is asked."""

ANSWER_SECONDS = 2.9
"""All that a webhook may take from when it has been read."""

ATTEMPT_SECONDS = 30.0
"""How long Kafka may take for what is drained; then the producer is made anew."""

PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX = 0.2, 2.0
"""Between attempts to drain."""


class NotTaken(Exception):
    """Neither Kafka nor the disk has the webhook: Twilio is to try again."""


class Receiver:
    """What becomes of a webhook once it is known who signed it."""

    def __init__(self, settings: Settings) -> None:
        self._spool = Spool(settings.data_dir / "spool", settings.spool_bytes)
        self._producer = KeptProducer(settings)
        self._delivery = Delivery(settings, self._producer)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, pool: Pool) -> None:
        """Take webhooks from now on, whatever servers are away; drain what was left."""
        self._delivery.start(pool)
        await self._spool.open()
        if not self._spool.empty:
            log.warning("spool: webhooks were left, and are drained first")
        work = (self._producer.keep, self._spool.write, self._spool.take_over, self._drain)
        self._tasks = [asyncio.create_task(each(), name=each.__qualname__) for each in work]

    async def run(self) -> None:
        """Return, or raise, only when the work that was started cannot go on."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Take nothing any more. What is in the spool stays there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._spool.close()

    async def take(self, webhook: Webhook) -> None:
        """Return once Kafka or the disk has a webhook. Raises NotTaken after 2.9 seconds."""
        now = asyncio.get_running_loop().time()
        turn = self._turns.setdefault(webhook.contact, asyncio.Lock())
        try:
            async with asyncio.timeout_at(now + ANSWER_SECONDS):
                async with turn:
                    spooled = await self._pass_on(webhook, now + KAFKA_SECONDS)
                if spooled is not None:
                    await spooled
        except TimeoutError:
            raise NotTaken("not within the time") from None
        except SpoolRefused as error:
            raise NotTaken(str(error)) from error

    async def _pass_on(self, webhook: Webhook, until: float) -> "asyncio.Future[None] | None":
        """None once Kafka has it; or, when it does not by then (in the loop's time), what is done
        when the disk has."""
        if self._spool.empty and asyncio.get_running_loop().time() < until:
            try:
                async with asyncio.timeout_at(until):
                    await self._delivery.deliver(webhook)
                return None
            except Exception as error:
                if self._spool.empty:
                    log.warning("webhooks go to the spool: %s", type(error).__name__)
        return self._spool.put(webhook.to_bytes())

    async def _drain(self) -> None:
        """Pass on what the spool holds, for ever."""
        while True:
            try:
                chunk = await self._spool.next_chunk()
                await self._drain_chunk(chunk)
                await self._spool.drained(chunk)
            except OSError as error:
                log.error("spool: cannot be drained: %s", error.strerror or error)
                await asyncio.sleep(PAUSE_SECONDS_MAX)
            else:
                if self._spool.empty:
                    log.info("spool: drained")

    async def _drain_chunk(self, chunk: Chunk) -> None:
        """Return once Kafka has all of a chunk."""
        left: Sequence[Webhook] = _read(chunk)
        pause = PAUSE_SECONDS_FIRST
        while left:
            before = len(left)
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    left = await self._delivery.deliver_in_order(left)
            except Exception as error:
                log.info("spool: not drained yet: %s", type(error).__name__)
                if isinstance(error, TimeoutError):
                    self._producer.renew()
            if len(left) < before:
                pause = PAUSE_SECONDS_FIRST
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _read(chunk: Chunk) -> list[Webhook]:
    webhooks = []
    for record in chunk.records:
        try:
            webhooks.append(Webhook.from_bytes(record.data))
        except ValueError as error:
            chunk.slot.set_aside()
            log.error("spool: a record cannot be read: %s", type(error).__name__)
    return webhooks
