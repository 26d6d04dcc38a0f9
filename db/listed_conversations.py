"""Load what lists show of conversations, and how far users have seen them."""

from collections.abc import Collection, Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec import Struct

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.audience import preview
from schemas.fields import AccountId, ConversationId, Direction, Status, UserId
from schemas.message_context import MessageContext
from schemas.messages import Media
from schemas.notifications import PREVIEW_CHARACTERS_MAX

_MEDIA = msgspec.json.Decoder(tuple[Media, ...])
_CONTEXT = msgspec.json.Decoder(MessageContext)


class ListedConversation(Struct, frozen=True, kw_only=True):
    """A conversation as lists show it, with all that is the same for every user of the account."""

    conversation_id: ConversationId
    version: int
    status: Status
    assignee_id: UserId | None
    assignee_name: str | None
    """None too for a user who was removed."""
    channel_id: str
    channel_name: str | None
    """None, as `provider` is, while the directory does not have the channel yet."""
    provider: str | None
    contact_name: str | None
    contact_address: str
    last_message_at: datetime | None
    last_direction: Direction | None
    """The direction of the message with the newest `sent_at`; None without any message."""
    preview: str
    """The start of that message, as notifications show it."""
    message_count: int
    inbound_version: int
    """The newest version that recorded a message of the contact, imports aside; else 0."""
    window_until: datetime | None


async def load_listed(
    connection: AnyConnection, account_id: AccountId, conversation_ids: Collection[str]
) -> list[ListedConversation]:
    """Returns those of some conversations that the account has, in the order of the ids."""
    if not conversation_ids:
        return []
    rows = await connection.fetch(
        QUERIES["listed_conversations"],
        account_id,
        conversation_ids,
        # One character more than a preview shows: so `preview` knows that the text is longer.
        PREVIEW_CHARACTERS_MAX + 1,
    )
    return [_listed(row) for row in rows]


def _listed(row: asyncpg.Record) -> ListedConversation:
    return ListedConversation(
        conversation_id=row["conversation_id"],
        version=row["version"],
        status=row["status"],
        assignee_id=row["assignee_id"],
        assignee_name=row["assignee_name"],
        channel_id=row["channel_id"],
        channel_name=row["channel_name"],
        provider=row["provider"],
        contact_name=row["contact_name"],
        contact_address=row["contact_address"],
        last_message_at=row["last_message_at"],
        last_direction=row["direction"],
        preview=_preview(row) if row["direction"] else "",
        message_count=row["message_count"],
        inbound_version=row["inbound_version"],
        window_until=row["window_until"],
    )


def _preview(row: asyncpg.Record) -> str:
    context = _CONTEXT.decode(row["context"]) if row["context"] else None
    return preview(row["words"], _MEDIA.decode(row["media"]), context)


async def seen_versions(
    connection: AnyConnection,
    account_id: AccountId,
    conversation_ids: Collection[str],
    user_ids: Sequence[UserId],
) -> dict[tuple[ConversationId, UserId], int]:
    """Returns the version up to which each user has seen each conversation.

    Nothing is returned for what a user has never seen.
    """
    query = QUERIES["seen_versions"]
    rows = await connection.fetch(query, account_id, conversation_ids, user_ids)
    return {(row[0], row[1]): row[2] for row in rows}
