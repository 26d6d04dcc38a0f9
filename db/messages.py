"""Which messages are recorded or were deleted; writing new ones; the latest of a conversation."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from db.commands import PRUNED_MAX, REMEMBERED
from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.notes import note_name
from domain.outgoing import Message
from schemas.fields import AccountId, ConversationId, Direction, MessageId
from schemas.messages import Media
from schemas.notes import NoteMessage

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
    "version",
    "recorded_at",
)
_MEDIA = msgspec.json.Decoder(tuple[Media, ...])


async def recorded_messages(
    connection: AnyConnection, keys: Collection[MessageKey], direction: Direction
) -> set[MessageKey]:
    """Returns those of `keys` that are recorded, or were deleted within `REMEMBERED`.

    Only messages of one direction are returned: a reply whose command has an id like `channel/SM1`
    may have the id of a contact's message. That is no repeat: the later one of the two cannot be
    written, and is dead-lettered.
    """
    if not keys:
        return set()
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["recorded_messages"], accounts, ids, direction)
    return {(row[0], row[1]) for row in rows}


async def prune_deleted_messages(connection: AnyConnection, now: datetime) -> int:
    """Delete the ids of messages deleted long ago, at most `PRUNED_MAX`. Returns how many."""
    query = QUERIES["prune_deleted_messages"]
    tag = await connection.execute(query, now - REMEMBERED, PRUNED_MAX)
    return int(tag.split()[-1])


async def latest_messages(
    connection: AnyConnection, keys: Collection[ConversationKey], messages_max: int
) -> dict[ConversationKey, tuple[NoteMessage, ...]]:
    """Returns the latest messages of each conversation in order of time, at most so many each."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    found: dict[ConversationKey, list[NoteMessage]] = defaultdict(list)
    for row in await connection.fetch(QUERIES["latest_messages"], accounts, ids, messages_max):
        key = (AccountId(row["account_id"]), ConversationId(row["conversation_id"]))
        found[key].append(
            NoteMessage(
                message_id=row["message_id"],
                direction=row["direction"],
                sender_name=note_name(row["sender_name"]),
                sender_address=row["sender_address"],
                sent_at=row["sent_at"],
                body=row["body"],
                media=_MEDIA.decode(row["media"]),
            )
        )
    return {key: tuple(messages) for key, messages in found.items()}


async def record_messages(
    connection: AnyConnection, messages: Sequence[Message], recorded_at: datetime
) -> None:
    """Write new messages, by COPY: there is no conflict, since their conversations are locked."""
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
            message.version,
            recorded_at,
        )
        for message in messages
    ]
    await connection.copy_records_to_table(
        "messages", schema_name="inbox", columns=_COLUMNS, records=rows
    )
