"""The messages of a conversation, page by page."""

from msgspec import Struct

from db.message_pages import NEWEST, MessagePlace, message_page
from schemas.fields import ConversationId
from workers.api.cursor import read_cursor, write_cursor
from workers.api.operation import Call, Operation
from workers.api.problem import not_found
from workers.api.service import Api
from workers.api.shapes import ConversationPath, Message, PageLimit, shown_message


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of what a conversation has."""

    before: str | None = None
    """The cursor of an answer: what is older follows. Without it, the newest come."""
    limit: PageLimit = 50


class Messages(Struct, frozen=True, kw_only=True):
    """A page of messages, oldest first."""

    items: list[Message]
    before: str | None
    """The cursor of the page before; null if this one begins with the first message."""


async def list_messages(api: Api, call: Call) -> Messages:
    """Returns the newest messages of a conversation, or those before a cursor."""
    before = read_cursor(call.query.before, MessagePlace) or NEWEST
    conversation_id = ConversationId(str(call.path.id))
    async with api.pool.acquire() as connection:
        page = await message_page(
            connection, call.caller.account_id, conversation_id, before, call.query.limit
        )
    if page is None:
        raise not_found()
    return Messages(
        items=[shown_message(each) for each in reversed(page.messages)],
        before=write_cursor(page.messages[-1].place) if page.has_older else None,
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
