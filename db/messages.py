"""Which messages are recorded, and recording those that are not."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.decision import Message
from schemas.fields import AccountId, MessageId

MessageKey = tuple[AccountId, MessageId]

_COLUMNS = (
    "account_id",
    "conversation_id",
    "message_id",
    "channel_id",
    "provider_message_id",
    "direction",
    "sender_name",
    "sender_address",
    "body",
    "media",
    "sent_at",
    "historical",
    "recorded_at",
)


async def recorded_messages(
    connection: AnyConnection, keys: Collection[MessageKey]
) -> set[MessageKey]:
    """Those of `keys` that are recorded already."""
    if not keys:
        return set()
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["recorded_messages"], accounts, ids)
    return {(row[0], row[1]) for row in rows}


async def record_messages(
    connection: AnyConnection, messages: Sequence[Message], recorded_at: datetime
) -> None:
    """Write new messages. COPY, since nothing can conflict: their conversations are locked."""
    if not messages:
        return
    rows = [
        (
            message.account_id,
            message.conversation_id,
            message.message_id,
            message.channel_id,
            message.provider_message_id,
            message.direction,
            message.sender_name,
            message.sender_address,
            message.body,
            msgspec.json.encode(message.media).decode() if message.media else "[]",
            message.sent_at,
            message.historical,
            recorded_at,
        )
        for message in messages
    ]
    await connection.copy_records_to_table(
        "messages", schema_name="inbox", columns=_COLUMNS, records=rows
    )
