"""Quix Streams with its Postgres sinks: messages, and the newest state of each conversation.

At least once. It publishes no notifications, and counts no messages, since a sink can only
overwrite. bench.compare runs it as a process, with settings in the environment.
"""

import tempfile
from typing import Any
from urllib.parse import unquote, urlsplit

from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from bench.peers.message import decode
from workers.settings import Settings, required

COMMIT_RECORDS = 10_000


def message_row(value: bytes, key: bytes, _timestamp: int, _headers: Any) -> dict[str, Any]:
    """Returns a row of `peer.messages`."""
    message = decode(value)
    return {
        "account_id": message.account_id,
        "channel_id": message.channel_id,
        "provider_message_id": message.provider_message_id,
        "conversation_id": key.decode(),
        "sender_name": message.contact.name,
        "sender_address": message.contact.address,
        "body": message.body,
        "media": message.media,
        "sent_at": message.sent_at,
    }


def conversation_row(message: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of `peer.conversations`, from a row of `peer.messages`."""
    return {
        "account_id": message["account_id"],
        "conversation_id": message["conversation_id"],
        "channel_id": message["channel_id"],
        "contact_address": message["sender_address"],
        "contact_name": message["sender_name"],
        "last_message_at": message["sent_at"],
    }


def sink(settings: Settings, table: str, key: list[str], **options: Any) -> PostgreSQLSink:
    """Returns a sink into a table that exists."""
    url = urlsplit(required(settings.migration_database_url, "INBOX_DATABASE_URL"))
    return PostgreSQLSink(
        host=url.hostname or "",
        port=url.port or 0,
        dbname=url.path.removeprefix("/"),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        schema_name="peer",
        table_name=table,
        schema_auto_update=False,
        include_metadata=False,
        primary_key_columns=key,
        **options,
    )


def main(settings: Settings, directory: str) -> None:
    """Run until the process is stopped."""
    app = Application(
        broker_address=",".join(required(settings.kafka, "INBOX_KAFKA")),
        consumer_group=settings.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=COMMIT_RECORDS,
        commit_interval=1.0,
        state_dir=directory,
        loglevel="WARNING",
    )
    topic = app.topic(
        settings.topic("messages.received"), value_deserializer="bytes", key_deserializer="bytes"
    )
    rows = app.dataframe(topic).apply(message_row, metadata=True)
    key = ["account_id", "channel_id", "provider_message_id"]
    rows.apply(conversation_row).sink(
        sink(
            settings,
            "conversations",
            ["account_id", "conversation_id"],
            upsert_on_primary_key=True,
        )
    )
    rows.sink(sink(settings, "messages", key, on_conflict_do_nothing=True))
    app.run()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Settings.from_environment(), name)
