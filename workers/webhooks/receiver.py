"""Takes verified webhooks: into Kafka, or onto this machine's disk until Kafka takes them.

The order of webhooks. The webhooks of one contact take turns: the next turn begins when the
webhook before it is in Kafka, or is in the queue of the spool. A webhook goes to Kafka directly
only while the spool is empty, and the spool's webhooks go to Kafka in the order they came. So none
overtakes another:

- A webhook that was not acknowledged in time may still reach Kafka from the producer's buffer. It
  may do so before or after its copy in the spool is drained, even long after the contact's next
  message. Then Kafka has the message twice, and the second is dropped by its id. The first one
  counts: no later message of the contact is given to Kafka before one of the two is acknowledged.
- The spool is empty only when Kafka has acknowledged all of its webhooks. A webhook that finds it
  empty may go to Kafka directly: everything that its contact had in the spool is in Kafka by then.
- When a webhook fails while others go to Kafka directly, the spool stops being empty at the moment
  the webhook is put there, before the contact's turn ends. Webhooks of other contacts may overtake
  it: no order is promised between contacts.
- After a crash, no webhook of the old process reaches Kafka later than one of the new process,
  except those that were already on the network. Such a webhook is a repeat of one in the spool, or
  was never answered.

A webhook that is answered 503 was not taken. It may be in Kafka or on the disk all the same; when
Twilio tries again, that is a repeat.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

from db.connect import Pool
from workers.kafka.kept_producer import KeptProducer
from workers.process.retries import doubled_seconds
from workers.settings import Settings
from workers.webhooks.delivery import Delivery
from workers.webhooks.spool.segment import SpoolRecord
from workers.webhooks.spool.spool import Chunk, Spool, SpoolRefused
from workers.webhooks.webhook import Webhook

log = logging.getLogger(__name__)

KAFKA_SECONDS = 2.0
"""How long Kafka, and Postgres before it, may take; then the webhook goes to the spool."""

CHECK_SECONDS = 0.5
"""How long a webhook waits for the check of a worker that has just started. It takes longer only
while a server is away, and then the webhook goes to the spool at once."""

ANSWER_SECONDS = 2.9
"""How long a webhook may take in all, once it is read."""

REQUEST_MILLISECONDS = 10_000
"""How long aiokafka retries a record. By then its webhook is in the spool, too."""

BATCH_BYTES_MAX = 256 * 1024
REQUEST_BYTES_MAX = 8 * 1024 * 1024

DRAIN_SECONDS = 30.0
"""How long Kafka may take for drained webhooks; then the producer is replaced."""

DRAIN_PAUSE_SECONDS_FIRST, DRAIN_PAUSE_SECONDS_MAX = 0.2, 2.0
"""How long to wait between tries to drain: it doubles with each try that drains nothing."""


class WebhookNotTaken(Exception):
    """Neither Kafka nor the disk took the webhook, so Twilio must try again."""


class Receiver:
    """Takes the webhooks of one worker."""

    def __init__(self, settings: Settings, pool: Pool, checked: asyncio.Event) -> None:
        """Nothing goes to Kafka before `checked` is set: the database may be of other topics."""
        directory, prefix = settings.data_dir / "spool", settings.topic_prefix
        self._spool = Spool(directory, settings.spool_bytes, prefix, self._are_ours)
        self._producer = KeptProducer(
            settings,
            checked,
            "webhooks",
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=REQUEST_MILLISECONDS,
        )
        self._delivery = Delivery(settings, self._producer, pool)
        self._checked = checked
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By contact: held by the webhook whose turn it is."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take webhooks from now on, and drain those that wait on the disk.

        Kafka and Postgres need not be up.
        """
        await self._spool.open()
        if not self._spool.empty:
            log.warning("spool: webhooks were left, and are drained first")
        work = (self._producer.keep, self._spool.write, self._spool.take_over, self._drain)
        self._tasks = [asyncio.create_task(each(), name=each.__qualname__) for each in work]

    async def run(self) -> None:
        """Wait, for ever unless a task that `start` began ends. Raises the error that ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Take no more webhooks. Those in the spool stay there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._spool.close()

    async def take(self, webhook: Webhook) -> None:
        """Return once Kafka or the disk has a webhook.

        Raises WebhookNotTaken, after ANSWER_SECONDS at the latest.
        """
        now = asyncio.get_running_loop().time()
        turn = self._turns.setdefault(webhook.contact, asyncio.Lock())
        try:
            async with asyncio.timeout_at(now + ANSWER_SECONDS):
                async with turn:
                    spooled = await self._deliver_or_spool(webhook, now + KAFKA_SECONDS)
                if spooled is not None:
                    await spooled
        except TimeoutError:
            raise WebhookNotTaken("not within the time") from None
        except SpoolRefused as error:
            raise WebhookNotTaken(str(error)) from error

    async def _deliver_or_spool(
        self, webhook: Webhook, until: float
    ) -> "asyncio.Future[None] | None":
        """Return None once Kafka has the webhook, or else a future that is done once the disk has.

        `until` is how long Kafka may take, in the event loop's time. Raises SpoolRefused.
        """
        if self._spool.empty and asyncio.get_running_loop().time() < until:
            try:
                async with asyncio.timeout_at(until):
                    async with asyncio.timeout(CHECK_SECONDS):
                        await self._checked.wait()
                    await self._delivery.deliver(webhook)
                return None
            except Exception as error:
                if self._spool.empty:
                    log.warning("webhooks go to the spool: %s", type(error).__name__)
        return self._spool.put(webhook.to_bytes())

    async def _drain(self) -> None:
        """Give the spool's webhooks to Kafka, for ever."""
        while True:
            try:
                chunk = await self._spool.next_chunk()
                await self._drain_chunk(chunk)
                await self._spool.drained(chunk)
            except OSError as error:
                log.error("spool: cannot be drained: %s", error.strerror or error)
                await asyncio.sleep(DRAIN_PAUSE_SECONDS_MAX)
            else:
                if self._spool.empty:
                    log.info("spool: drained")

    async def _drain_chunk(self, chunk: Chunk) -> None:
        """Return once Kafka has all webhooks of a chunk."""
        waiting: Sequence[Webhook] = _read(chunk)
        failures = 0
        while waiting:
            before = len(waiting)
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    waiting = await self._delivery.deliver_in_order(waiting)
            except Exception as error:
                log.info("spool: not drained yet: %s", type(error).__name__)
                if isinstance(error, TimeoutError):
                    self._producer.renew()
            if len(waiting) < before:
                failures = 0
            else:
                failures += 1
                await asyncio.sleep(
                    doubled_seconds(failures, DRAIN_PAUSE_SECONDS_FIRST, DRAIN_PAUSE_SECONDS_MAX)
                )

    async def _are_ours(self, records: list[SpoolRecord]) -> bool | None:
        """Whether a channel here has the address of each webhook; None while Postgres is away."""
        if not self._checked.is_set():
            return None
        webhooks = []
        for record in records:
            with suppress(ValueError):
                webhooks.append(Webhook.from_bytes(record.data))
        try:
            return await self._delivery.knows(webhooks)
        except Exception as error:
            log.info("spool: nothing is taken over yet: %s", type(error).__name__)
            return None


def _read(chunk: Chunk) -> list[Webhook]:
    webhooks = []
    for record in chunk.records:
        try:
            webhooks.append(Webhook.from_bytes(record.data))
        except ValueError as error:
            chunk.slot.mark_damaged()
            log.error("spool: a record cannot be read: %s", type(error).__name__)
    return webhooks
