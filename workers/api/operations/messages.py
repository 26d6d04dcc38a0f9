"""The messages of a conversation, page by page."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from db.message_pages import NEWEST, MessagePlace, PartStatus, StoredMessage, message_page
from schemas.fields import ConversationId, Direction
from schemas.message_context import MessageContext
from workers.api.cursor import read_cursor, write_cursor
from workers.api.operation import PREFIX, Call, Operation
from workers.api.problem import not_found
from workers.api.service import Api
from workers.api.shapes import ConversationPath, PageLimit


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of what a conversation has."""

    before: str | None = None
    """The cursor of an answer: what is older follows. Without it, the newest come."""
    limit: PageLimit = 50


class MessageFile(Struct, frozen=True, kw_only=True):
    """A file of a message."""

    url: str
    """A path of this API."""
    content_type: str


class Message(Struct, frozen=True, kw_only=True):
    """A message, in or out."""

    message_id: str
    direction: Direction
    sender_name: str | None
    sender_address: str
    body: str
    media: list[MessageFile]
    sent_at: datetime
    version: int
    """The version of the conversation that recorded it."""
    historical: bool
    """Whether it was imported."""
    context: MessageContext | UnsetType = UNSET
    """What it is about beside its text; absent if nothing."""
    parts: list[PartStatus] | UnsetType = UNSET
    """Of a reply: what became of each part. Absent for a message of the contact."""


class Messages(Struct, frozen=True, kw_only=True):
    """A page of messages, oldest first."""

    items: list[Message]
    before: str | None
    """The cursor of the page before; null if this one begins with the first message."""


def media_path(message_id: str, number: int) -> str:
    """Returns the path at which the API has a file of a message, counted from 0."""
    return f"{PREFIX}/media/{message_id}/{number}"


def shown_message(message: StoredMessage) -> Message:
    """Returns a message as the API answers it."""
    return Message(
        message_id=message.message_id,
        direction=message.direction,
        sender_name=message.sender_name,
        sender_address=message.sender_address,
        body=message.body,
        media=[
            MessageFile(url=media_path(message.message_id, number), content_type=file.content_type)
            for number, file in enumerate(message.media)
        ],
        sent_at=message.sent_at,
        version=message.version,
        historical=message.historical,
        context=message.context or UNSET,
        parts=list(message.parts) if message.direction == "outbound" else UNSET,
    )


async def list_messages(api: Api, call: Call) -> Messages:
    """Returns the newest messages of a conversation, or those before a cursor."""
    before = read_cursor(call.query.before, MessagePlace) or NEWEST
    limit = call.query.limit
    conversation_id = ConversationId(str(call.path.id))
    async with api.pool.acquire() as connection:
        found = await message_page(
            connection, call.caller.account_id, conversation_id, before, limit + 1
        )
    if found is None:
        raise not_found()
    items = found[:limit]
    return Messages(
        items=[shown_message(each) for each in reversed(items)],
        before=write_cursor(items[-1].place) if len(found) > limit else None,
    )


OPERATIONS = (
    Operation(
        name="listMessages",
        method="GET",
        address="/conversations/{id}/messages",
        summary="The messages of a conversation.",
        handle=list_messages,
        path=ConversationPath,
        query=PageQuery,
        answers={200: Messages},
    ),
)
"""What the API does with messages."""
