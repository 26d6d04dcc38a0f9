"""Which messages are recorded or were deleted; writing new ones; the latest of a conversation."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec
from msgspec import UNSET

from db.commands import PRUNED_MAX, REMEMBERED
from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.audience import preview
from domain.notes import note_name
from domain.outgoing import Message
from schemas.fields import AccountId, ChannelId, ConversationId, Direction, MessageId
from schemas.ids import inbound_message_id
from schemas.message_context import MessageContext
from schemas.messages import Media
from schemas.notes import NoteMessage
from schemas.notifications import PREVIEW_CHARACTERS_MAX

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
    "context",
)
_MEDIA = msgspec.json.Decoder(tuple[Media, ...])
_CONTEXT = msgspec.json.Decoder(MessageContext)

ProviderKey = tuple[AccountId, ChannelId, str]
"""An account, a channel, and the provider's id of a message."""


class AnsweredMessage(NamedTuple):
    """A message that another one answers."""

    conversation_id: ConversationId
    words: str
    """Its text, cut as in a preview; "" if it has none."""


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
    rows = await connection.fetch(QUERIES["latest_messages"], accounts, ids, messages_max)
    contexts = [_CONTEXT.decode(row["context"]) if row["context"] else None for row in rows]
    answers = [_answer(row, context) for row, context in zip(rows, contexts, strict=True)]
    answered = await answered_messages(connection, {answer for answer in answers if answer})
    found: dict[ConversationKey, list[NoteMessage]] = defaultdict(list)
    for row, context, answer in zip(rows, contexts, answers, strict=True):
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
                context=context or UNSET,
                answered=words_of(answered, answer, key[1]) or UNSET,
            )
        )
    return {key: tuple(messages) for key, messages in found.items()}


def _answer(row: asyncpg.Record, context: MessageContext | None) -> ProviderKey | None:
    if context is None or context.in_reply_to is None:
        return None
    return row["account_id"], row["channel_id"], context.in_reply_to


def words_of(
    answered: Mapping[ProviderKey, AnsweredMessage],
    answer: ProviderKey | None,
    conversation_id: ConversationId,
) -> str | None:
    """Returns the first words of the message that one in a conversation answers.

    None if it is unknown, has no text, or is in another conversation: nothing of that is shown.
    """
    found = answered.get(answer) if answer is not None else None
    if found is None or found.conversation_id != conversation_id:
        return None
    return found.words or None


async def answered_messages(
    connection: AnyConnection, keys: Collection[ProviderKey]
) -> dict[ProviderKey, AnsweredMessage]:
    """Returns those of some messages that are recorded, whatever their conversations."""
    if not keys:
        return {}
    ids = [inbound_message_id(*key) for key in keys]
    # One character more than a preview shows: so `preview` knows that the text is longer.
    characters_max = PREVIEW_CHARACTERS_MAX + 1
    query = QUERIES["answered_messages"]
    rows = await connection.fetch(query, *zip(*keys, strict=True), ids, characters_max)
    return {
        (row[0], row[1], row[2]): AnsweredMessage(row["conversation_id"], preview(row["words"], ()))
        for row in rows
    }


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
            _json(message.context),
        )
        for message in messages
    ]
    await connection.copy_records_to_table(
        "messages", schema_name="inbox", columns=_COLUMNS, records=rows
    )


def _json(context: MessageContext | None) -> str | None:
    return msgspec.json.encode(context).decode() if context is not None else None
