"""Which windows are due to be checked, when to check them next, and contacts' newest messages."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.audience import preview
from schemas.fields import AccountId, ConversationId, MessageId
from schemas.message_context import MessageContext
from schemas.messages import Media
from schemas.notifications import PREVIEW_CHARACTERS_MAX

_MEDIA = msgspec.json.Decoder(tuple[Media, ...])
_CONTEXT = msgspec.json.Decoder(MessageContext)


async def lock_due_windows(
    connection: AnyConnection, conversations_max: int
) -> set[ConversationKey]:
    """Lock conversations whose window is due to be checked, until the transaction ends.

    Returns at most so many, and none that another transaction has locked.
    """
    rows = await connection.fetch(QUERIES["due_windows"], conversations_max)
    return {(AccountId(row[0]), ConversationId(row[1])) for row in rows}


async def watch_windows(
    connection: AnyConnection, checks: Collection[tuple[ConversationKey, datetime]]
) -> None:
    """Write when the windows of these locked conversations are to be checked next."""
    if checks:
        rows = sorted((*key, check_at) for key, check_at in checks)
        await connection.execute(QUERIES["watch_windows"], *zip(*rows, strict=True))


async def unwatch_windows(connection: AnyConnection, keys: Collection[ConversationKey]) -> None:
    """Stop watching the windows of these locked conversations."""
    if keys:
        await connection.execute(QUERIES["unwatch_windows"], *zip(*sorted(keys), strict=True))


async def newest_of_contacts(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, tuple[MessageId, str]]:
    """Returns the id and the preview of the contact's newest message in each conversation."""
    if not keys:
        return {}
    # One character more than a preview shows: so `preview` knows that the text is longer.
    characters_max = PREVIEW_CHARACTERS_MAX + 1
    query = QUERIES["newest_of_contacts"]
    rows = await connection.fetch(query, *zip(*keys, strict=True), characters_max)
    return {
        (AccountId(account_id), ConversationId(conversation_id)): (
            MessageId(message_id),
            preview(body, _MEDIA.decode(media), _CONTEXT.decode(context) if context else None),
        )
        for account_id, conversation_id, message_id, body, media, context in rows
    }
