"""A Faust agent as Faust's documentation teaches it: one record, one transaction, one event.

bench.compare runs it as a process: `python -m bench.peers.naive RECORDS`, with settings in the
environment. It stops after so many records. They are few, since it is slow.
"""

import asyncio
import sys
import tempfile
from typing import Any

import asyncpg
import faust
import uvloop

from bench.peers.message import decode, media_json, notification
from workers.settings import Settings, required

MESSAGE = """
INSERT INTO peer.messages (account_id, channel_id, provider_message_id, conversation_id,
                           sender_name, sender_address, body, media, sent_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
"""
CONVERSATION = """
INSERT INTO peer.conversations AS c (account_id, conversation_id, channel_id, contact_address,
                                     contact_name, message_count, last_message_at)
VALUES ($1, $2, $3, $4, $5, 1, $6)
ON CONFLICT (account_id, conversation_id) DO UPDATE SET
    contact_name = coalesce(excluded.contact_name, c.contact_name),
    message_count = c.message_count + 1,
    last_message_at = greatest(excluded.last_message_at, c.last_message_at)
"""


async def save(connection: "asyncpg.Connection[asyncpg.Record]", key: bytes, value: bytes) -> bytes:
    """Record one message in a transaction. Returns its notification."""
    message, conversation_id = decode(value), key.decode()
    account_id, contact = message.account_id, message.contact
    async with connection.transaction():
        new = await connection.execute(
            MESSAGE,
            account_id,
            message.channel_id,
            message.provider_message_id,
            conversation_id,
            contact.name,
            contact.address,
            message.body,
            media_json(message),
            message.sent_at,
        )
        if new == "INSERT 0 1":
            await connection.execute(
                CONVERSATION,
                account_id,
                conversation_id,
                message.channel_id,
                contact.address,
                contact.name,
                message.sent_at,
            )
    return notification(message, conversation_id)


def make_app(settings: Settings, records: int, directory: str) -> faust.App:
    """Returns the app, with its one agent."""
    app = faust.App(
        settings.group,
        broker=[f"kafka://{broker}" for broker in required(settings.kafka, "INBOX_KAFKA")],
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        # Otherwise a stop would wait for the last record, which is never acknowledged.
        stream_wait_empty=False,
        web_enabled=False,
        datadir=directory,
    )
    received = app.topic(
        settings.topic("messages.received"),
        key_type=bytes,
        value_type=bytes,
        value_serializer="raw",
    )
    notifications = app.topic(
        settings.topic("notifications"), key_type=bytes, value_type=bytes, value_serializer="raw"
    )

    async def record(stream: Any) -> None:
        # One connection is kept: a pool would cost one more round trip for each record.
        connection = await asyncpg.connect(settings.migration_database_url)
        done = 0
        async for event in stream.events():
            await notifications.send(
                key=event.key, value=await save(connection, event.key, event.value)
            )
            done += 1
            if done == records:
                await asyncio.Event().wait()

    app.agent(received)(record)
    return app


if __name__ == "__main__":
    uvloop.install()
    with tempfile.TemporaryDirectory() as name:
        app = make_app(Settings.from_environment(), int(sys.argv[1]), name)
        faust.Worker(app, loglevel="WARNING").execute_from_commandline()
