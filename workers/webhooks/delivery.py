"""Passes webhooks on to Kafka: looks the channel up, makes the event, and has it acknowledged."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from db.connect import Pool
from db.outbox import Header
from schemas.cloudevents import CONTENT_TYPE_HEADER, encode
from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from workers.outbox.collector import partition_of
from workers.outbox.dead_letter import webhook_headers
from workers.settings import Settings
from workers.webhooks.channel_cache import Channels
from workers.webhooks.producer import KeptProducer
from workers.webhooks.webhook import Webhook

log = logging.getLogger(__name__)

_EVENT_HEADERS: list[Header] = [CONTENT_TYPE_HEADER]


class Produced(NamedTuple):
    """A record as Kafka is given it."""

    topic: str
    """With the prefix."""
    partition: int
    key: bytes | None
    value: bytes
    headers: list[Header]


class Delivery:
    """The one way of a webhook into Kafka, whether it comes from Twilio or from the spool."""

    def __init__(self, settings: Settings, producer: KeptProducer) -> None:
        self._settings = settings
        self._producer = producer
        self._channels = Channels()
        self._pool: Pool | None = None

    def start(self, pool: Pool) -> None:
        """Use this pool from now on."""
        self._pool = pool

    async def deliver(self, webhook: Webhook) -> None:
        """Return once Kafka has a webhook, acknowledged by all replicas.

        Raises whatever Kafka or Postgres, or the lack of them, comes up with.
        """
        record = await self._record(webhook)
        producer = await self._producer.get()
        sent = await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
        )
        await sent

    async def deliver_in_order(self, webhooks: Sequence[Webhook]) -> list[Webhook]:
        """Pass webhooks on, and return those that Kafka did not take, in order.

        Each partition gets what is for it as one batch, which Kafka takes whole or not at all:
        with two batches under way the first could fail, and the second be there before it. What
        does not fit is left for the next call, when this one's is acknowledged. Raises whatever
        Postgres comes up with; then nothing was passed on.
        """
        records = [await self._record(webhook) for webhook in webhooks]
        producer = await self._producer.get()
        batches: dict[tuple[str, int], _Batch] = {}
        left: list[int] = []
        for index, record in enumerate(records):
            place = (record.topic, record.partition)
            if place not in batches:
                batches[place] = _Batch(producer.create_batch(), [])
            if not batches[place].add(record, index):
                left.append(index)
        sending = (_send(producer, place, batch) for place, batch in batches.items())
        for failed in await asyncio.gather(*sending):
            left += failed
        return [webhooks[index] for index in sorted(left)]

    async def _record(self, webhook: Webhook) -> Produced:
        assert self._pool is not None
        channel_id = await self._channels.find(
            self._pool,
            webhook.account_id,
            webhook.our_address,
            removed=webhook.kind.removed_channels,
        )
        if channel_id is None:
            log.warning("webhook of %s: no channel has its address", webhook.account_id)
            detail = f"no channel has the address in {webhook.kind.our_field}"
            return self._dead_letter(webhook, InvalidRecord(DeadLetter.UNKNOWN_CHANNEL, detail))
        try:
            event = webhook.event(channel_id)
        except Exception as error:
            # It was checked when it came: this program is not the one that took it. Set aside,
            # rather than in the way of all that wait behind it.
            log.error("webhook of %s: %s", webhook.account_id, type(error).__name__)
            detail = f"its form is no event: {type(error).__name__}"
            return self._dead_letter(webhook, InvalidRecord(DeadLetter.INVALID_DATA, detail))
        return self._to(webhook.kind.topic, str(event.subject), encode(event), _EVENT_HEADERS)

    def _dead_letter(self, webhook: Webhook, error: InvalidRecord) -> Produced:
        topic = self._settings.topic(webhook.kind.topic)
        headers = webhook_headers(topic, webhook.account_id, error, webhook.received_at)
        if webhook.query:
            # What the form does not say, and its event needs: it comes before what is said of it.
            headers.insert(0, ("query", webhook.query.encode()))
        made = self._to("dead-letters", webhook.contact, webhook.body, [*headers])
        return made._replace(key=None)

    def _to(self, topic: str, key: str, value: bytes, headers: list[Header]) -> Produced:
        partition = partition_of(key, self._settings.partitions)
        return Produced(self._settings.topic(topic), partition, key.encode(), value, headers)


class _Batch(NamedTuple):
    """What one partition is given at once, and where it stood among the webhooks."""

    builder: BatchBuilder
    indexes: list[int]

    def add(self, record: Produced, index: int) -> bool:
        """Whether it fits; when one did not, none after it does."""
        added = self.builder.append(
            timestamp=int(time.time() * 1000),
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        if added is not None:
            self.indexes.append(index)
        return added is not None


async def _send(producer: AIOKafkaProducer, place: tuple[str, int], batch: _Batch) -> Sequence[int]:
    """Send one batch; the indexes of what Kafka did not take, which are all of it or none."""
    topic, partition = place
    # Nothing of anybody else's may be added to it.
    batch.builder.close()
    try:
        sent: asyncio.Future[Any] = await producer.send_batch(
            batch.builder, topic, partition=partition
        )
        await sent
    except KafkaError as error:
        log.info("webhooks: %s[%d]: %s", topic, partition, type(error).__name__)
        return batch.indexes
    return ()
