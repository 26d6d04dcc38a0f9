"""Gives webhooks to Kafka: finds the channel, makes the event, waits for the acknowledgement."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from db.connect import Pool
from schemas.cloudevents import EVENT_HEADERS, CloudEvent, encode
from schemas.codes import DeadLetterCode
from schemas.dead_letters import DEAD_LETTERS_TOPIC, Header, webhook_headers
from schemas.errors import InvalidRecord
from workers.kafka.kept_producer import KeptProducer
from workers.kafka.partitions import partition_of
from workers.settings import Settings
from workers.webhooks.callback_part import with_channel_of_reply
from workers.webhooks.channel_cache import ChannelCache
from workers.webhooks.webhook import ANY_CHANNEL, Webhook

log = logging.getLogger(__name__)


class ProducedRecord(NamedTuple):
    """A record for Kafka."""

    topic: str
    """With the prefix."""
    partition: int
    key: bytes | None
    value: bytes
    headers: list[Header]


class Delivery:
    """The one way of a webhook into Kafka, whether it comes from Twilio or from the spool."""

    def __init__(self, settings: Settings, producer: KeptProducer, pool: Pool) -> None:
        self._settings = settings
        self._producer = producer
        self._pool = pool
        self._channels = ChannelCache(pool)

    async def deliver(self, webhook: Webhook) -> None:
        """Return once all replicas of Kafka have acknowledged a webhook.

        Waits while there is no producer. Raises aiokafka's and asyncpg's errors.
        """
        # First, because nothing is written before the database is known to be this worker's.
        producer = await self._producer.get()
        record = await self._record(webhook)
        sent = await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
        )
        await sent

    async def deliver_in_order(self, webhooks: Sequence[Webhook]) -> list[Webhook]:
        """Give webhooks to Kafka, and return those that it did not take, in order.

        Each partition gets its webhooks as one batch, which Kafka takes whole or not at all. With
        two batches in flight the first could fail, and the second would overtake it. So the
        webhooks that do not fit into a batch are returned too, for the next call. Raises asyncpg's
        errors, before anything is given to Kafka.
        """
        producer = await self._producer.get()
        records = [await self._record(webhook) for webhook in webhooks]
        batches: dict[tuple[str, int], _Batch] = {}
        not_taken: list[int] = []
        for index, record in enumerate(records):
            place = (record.topic, record.partition)
            if place not in batches:
                batches[place] = _Batch(producer.create_batch(), [])
            if not batches[place].add(record, index):
                not_taken.append(index)
        sending = (_send(producer, place, batch) for place, batch in batches.items())
        for failed in await asyncio.gather(*sending):
            not_taken += failed
        return [webhooks[index] for index in sorted(not_taken)]

    async def knows(self, webhooks: Sequence[Webhook]) -> bool:
        """Whether a channel here has the address of each webhook. Raises asyncpg's errors."""
        for webhook in webhooks:
            channel_id = await self._channels.find(
                webhook.account_id, webhook.our_address, removed=True
            )
            if channel_id is None:
                return False
        return True

    async def _record(self, webhook: Webhook) -> ProducedRecord:
        find = self._channels.find(
            webhook.account_id,
            webhook.our_address,
            removed=webhook.kind.removed_channels,
            webhook_account_id=webhook.receiving_account_id,
        )
        # Shielded: to cancel a statement, asyncpg waits for the server, which may hang.
        channel_id = await asyncio.shield(find)
        try:
            event = webhook.event(channel_id or ANY_CHANNEL)
        except Exception as error:
            # It was checked when it came, but by another version of this program. It is
            # dead-lettered, so that the webhooks behind it do not wait for ever.
            log.error("webhook of %s: %s", webhook.account_id, type(error).__name__)
            detail = f"its form is no event: {type(error).__name__}"
            return self._dead_letter(webhook, InvalidRecord(DeadLetterCode.INVALID_DATA, detail))
        if channel_id is None:
            event_of_reply = await asyncio.shield(self._event_of_reply(event))
            if event_of_reply is None:
                log.warning("webhook of %s: no channel has its address", webhook.account_id)
                detail = f"no channel has the address in {webhook.kind.our_field}"
                unknown = InvalidRecord(DeadLetterCode.UNKNOWN_CHANNEL, detail)
                return self._dead_letter(webhook, unknown)
            event = event_of_reply
        return self._to(webhook.kind.topic, str(event.subject), encode(event), EVENT_HEADERS)

    async def _event_of_reply(self, event: CloudEvent) -> CloudEvent | None:
        async with self._pool.acquire() as connection:
            return await with_channel_of_reply(connection, event)

    def _dead_letter(self, webhook: Webhook, error: InvalidRecord) -> ProducedRecord:
        topic = self._settings.topic(webhook.kind.topic)
        headers = webhook_headers(topic, webhook.account_id, error, webhook.received_at)
        if webhook.query:
            # The event needs the query beside the form. The `dl_` headers must come last.
            headers.insert(0, ("query", webhook.query.encode()))
        made = self._to(DEAD_LETTERS_TOPIC, webhook.contact, webhook.body, [*headers])
        return made._replace(key=None)

    def _to(self, topic: str, key: str, value: bytes, headers: list[Header]) -> ProducedRecord:
        partition = partition_of(key, self._settings.partitions)
        return ProducedRecord(self._settings.topic(topic), partition, key.encode(), value, headers)


class _Batch(NamedTuple):
    """The records of one partition, and their places among the webhooks."""

    builder: BatchBuilder
    indexes: list[int]

    def add(self, record: ProducedRecord, index: int) -> bool:
        """Add a record, if it fits; whether it did. Once one did not fit, no later one does."""
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
    """Send one batch, and return the indexes that Kafka did not take: all of them, or none."""
    topic, partition = place
    # Closed, so that the producer adds no other records to it.
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
