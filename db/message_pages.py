"""Pages of a conversation's messages, from the newest to the oldest; the files of one message."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec
from msgspec import Struct

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import (
    LATEST_YEAR,
    AccountId,
    ConversationId,
    Direction,
    Instant,
    MessageId,
    Version,
    check_year,
)
from schemas.message_context import MessageContext
from schemas.messages import Media

_MEDIA = msgspec.json.Decoder(tuple[Media, ...])
_CONTEXT = msgspec.json.Decoder(MessageContext)


PAGE_BYTES = 1024 * 1024
"""A page ends with the message whose text and files make it so large, or else a hundred messages of
the largest size were 25 MB."""


class MessagePlace(Struct, frozen=True, array_like=True):
    """The place of a message among those of its conversation."""

    sent_at: Instant
    version: Version

    def __post_init__(self) -> None:
        check_year("sent_at", self.sent_at)


NEWEST = MessagePlace(datetime.fromisoformat(f"{LATEST_YEAR}-12-31T23:59:59.999999Z"), 2**31 - 1)
"""A place after every message."""


class PartStatus(Struct, frozen=True, kw_only=True):
    """What became of a part of a reply."""

    status: str
    """The provider's word, once the provider has the part, or `failed`; before that the part's
    state here: queued, posting or uncertain."""
    error_code: int | None
    """The provider's code; while it is queued, of why the provider did not take it yet."""


class StoredMessage(NamedTuple):
    """A message of a conversation."""

    message_id: MessageId
    direction: Direction
    sender_name: str | None
    sender_address: str
    body: str
    media: tuple[Media, ...]
    sent_at: datetime
    version: int
    historical: bool
    context: MessageContext | None
    parts: tuple[PartStatus, ...]
    """Of a reply; none of a message that was sent elsewhere."""

    @property
    def place(self) -> MessagePlace:
        """Its place in the conversation."""
        return MessagePlace(self.sent_at, self.version)


class MessagePage(NamedTuple):
    """Some messages of a conversation, one after the other."""

    messages: list[StoredMessage]
    """The newest first."""
    has_older: bool
    """Whether others are older than these."""


async def message_page(
    connection: AnyConnection,
    account_id: AccountId,
    conversation_id: ConversationId,
    before: MessagePlace,
    messages_max: int,
) -> MessagePage | None:
    """Returns the newest messages before a place, as many as `PAGE_BYTES` allow, and at least one.

    None if the account has no such conversation.
    """
    query = QUERIES["message_page"]
    place = before.sent_at, before.version
    rows = await connection.fetch(
        query, account_id, conversation_id, *place, messages_max, PAGE_BYTES
    )
    if not rows:
        return None
    messages = [_message(row) for row in rows if row["message_id"] is not None]
    return MessagePage(messages, has_older=bool(messages) and rows[0]["found"] > len(messages))


async def messages_by_id(
    connection: AnyConnection, account_id: AccountId, message_ids: Collection[str]
) -> list[StoredMessage]:
    """Returns those of some messages that the account has."""
    rows = await connection.fetch(QUERIES["messages_by_id"], account_id, list(message_ids))
    return [_message(row) for row in rows]


def _message(row: asyncpg.Record) -> StoredMessage:
    return StoredMessage(
        message_id=row["message_id"],
        direction=row["direction"],
        sender_name=row["sender_name"],
        sender_address=row["sender_address"],
        body=row["body"],
        media=_MEDIA.decode(row["media"]),
        sent_at=row["sent_at"],
        version=row["version"],
        historical=row["historical"],
        context=_CONTEXT.decode(row["context"]) if row["context"] else None,
        parts=_parts(row["statuses"] or (), row["error_codes"] or ()),
    )


def _parts(statuses: Sequence[str], error_codes: Sequence[int | None]) -> tuple[PartStatus, ...]:
    return tuple(
        PartStatus(status=status, error_code=error_code)
        for status, error_code in zip(statuses, error_codes, strict=True)
    )


async def message_media(
    connection: AnyConnection, account_id: AccountId, message_id: MessageId
) -> tuple[Media, ...]:
    """Returns the files of a message; none if the account has no such message."""
    media: str | None = await connection.fetchval(QUERIES["message_media"], account_id, message_id)
    return _MEDIA.decode(media) if media is not None else ()
