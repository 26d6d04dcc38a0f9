"""Which windows are due to be looked at; when to look next; what a contact wrote last."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.audience import preview
from schemas.fields import AccountId, ConversationId, MessageId
from schemas.messages import Media
from schemas.notifications import PREVIEW_CHARACTERS_MAX

_MEDIA = msgspec.json.Decoder(tuple[Media, ...])


async def lock_due_windows(
    connection: AnyConnection, conversations_max: int
) -> set[ConversationKey]:
    """Conversations with a window that is due, locked until the transaction ends.

    No more than so many, and none that somebody else has locked.
    """
    rows = await connection.fetch(QUERIES["due_windows"], conversations_max)
    return {(AccountId(row[0]), ConversationId(row[1])) for row in rows}


async def watch_windows(
    connection: AnyConnection, looks: Collection[tuple[ConversationKey, datetime]]
) -> None:
    """Look at the windows of these locked conversations then, and not before."""
    if looks:
        rows = sorted((*key, check_at) for key, check_at in looks)
        await connection.execute(QUERIES["watch_windows"], *zip(*rows, strict=True))


async def leave_windows(connection: AnyConnection, keys: Collection[ConversationKey]) -> None:
    """Watch the windows of these locked conversations no longer."""
    if keys:
        await connection.execute(QUERIES["leave_windows"], *zip(*sorted(keys), strict=True))


async def newest_of_contacts(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, tuple[MessageId, str]]:
    """The newest message that the contact of each conversation wrote: its id and its preview."""
    if not keys:
        return {}
    # One character more than is shown tells that there are more.
    characters_max = PREVIEW_CHARACTERS_MAX + 1
    query = QUERIES["newest_of_contacts"]
    rows = await connection.fetch(query, *zip(*keys, strict=True), characters_max)
    return {
        (AccountId(account_id), ConversationId(conversation_id)): (
            MessageId(message_id),
            preview(body, _MEDIA.decode(media)),
        )
        for account_id, conversation_id, message_id, body, media in rows
    }
