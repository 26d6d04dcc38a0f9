"""A FastStream batch subscriber: batches in, bulk statements, batches out; at least once.

bench.compare runs it as a process, with settings in the environment.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Any

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from bench.peers.message import Message, decode, media_json, notification
from workers.settings import Settings, required

BATCH_RECORDS = 2000
BATCH_BYTES = 3 * 1024 * 1024

MESSAGES = """
INSERT INTO peer.messages (account_id, channel_id, provider_message_id, conversation_id,
                           sender_name, sender_address, body, media, sent_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[],
                     $7::text[], $8::jsonb[], $9::timestamptz[])
ON CONFLICT DO NOTHING
RETURNING provider_message_id
"""
CONVERSATIONS = """
INSERT INTO peer.conversations AS c (account_id, conversation_id, channel_id, contact_address,
                                     contact_name, message_count, last_message_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[],
                     $7::timestamptz[])
ON CONFLICT (account_id, conversation_id) DO UPDATE SET
    contact_name = coalesce(excluded.contact_name, c.contact_name),
    message_count = c.message_count + excluded.message_count,
    last_message_at = greatest(excluded.last_message_at, c.last_message_at)
"""

Keyed = tuple[str, Message, int]
"""A conversation's id, a message of it, and the partition from which it came."""


def message_columns(batch: list[Keyed]) -> list[tuple[Any, ...]]:
    """Returns the columns of `MESSAGES`."""
    rows = (
        (
            message.account_id,
            message.channel_id,
            message.provider_message_id,
            conversation_id,
            message.contact.name,
            message.contact.address,
            message.body,
            media_json(message),
            message.sent_at,
        )
        for conversation_id, message, _ in batch
    )
    return list(zip(*rows, strict=True))


def conversation_columns(batch: list[Keyed]) -> list[tuple[Any, ...]]:
    """Returns the columns of `CONVERSATIONS`: each conversation once, in the order of the keys."""
    of_conversation: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for conversation_id, message, _ in batch:
        of_conversation[message.account_id, conversation_id].append(message)
    rows = (
        (
            account_id,
            conversation_id,
            messages[-1].channel_id,
            messages[-1].contact.address,
            messages[-1].contact.name,
            len(messages),
            max(message.sent_at for message in messages),
        )
        for (account_id, conversation_id), messages in sorted(
            of_conversation.items(), key=lambda item: item[0]
        )
    )
    return list(zip(*rows, strict=True))


async def save(connection: "asyncpg.Connection[asyncpg.Record]", batch: list[Keyed]) -> None:
    """Record a batch in one transaction. Messages that were recorded before are not counted."""
    async with connection.transaction():
        rows = await connection.fetch(MESSAGES, *message_columns(batch))
        if len(rows) < len(batch):
            new = {row[0] for row in rows}
            batch = [keyed for keyed in batch if keyed[1].provider_message_id in new]
        if batch:
            await connection.execute(CONVERSATIONS, *conversation_columns(batch))


async def decode_batch(message: Any) -> list[Keyed]:
    """Decode the records of a batch."""
    return [
        (record.key.decode(), decode(record.value), record.partition)
        for record in message.raw_message
    ]


async def main(settings: Settings) -> None:
    """Run until the process is stopped."""
    connection = await asyncpg.connect(settings.migration_database_url)
    broker = KafkaBroker(
        list(required(settings.kafka, "INBOX_KAFKA")),
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=2 * BATCH_BYTES,
        apply_types=False,
        log_level=logging.DEBUG,
    )
    notifications = settings.topic("notifications")

    # A batch is acknowledged when the function returns, and read again when it raises.
    @broker.subscriber(
        settings.topic("messages.received"),
        batch=True,
        max_records=BATCH_RECORDS,
        group_id=settings.group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=decode_batch,
    )
    async def record(batch: list[Keyed]) -> None:
        await save(connection, batch)
        # FastStream publishes a batch to one partition. The partition from which the records came
        # keeps them in order.
        encoded: dict[int, list[bytes]] = defaultdict(list)
        for conversation_id, message, partition in batch:
            encoded[partition].append(notification(message, conversation_id))
        await asyncio.gather(
            *(
                broker.publish_batch(*values, topic=notifications, partition=partition)
                for partition, values in encoded.items()
            )
        )

    await FastStream(broker).run()


if __name__ == "__main__":
    uvloop.run(main(Settings.from_environment()))
