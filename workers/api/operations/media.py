"""The files of messages."""

from typing import Annotated
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from db.message_pages import message_media
from schemas.fields import MessageId
from workers.api.operation import Call, Operation
from workers.api.problem import not_found
from workers.api.service import Api


class MediaPath(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of a message."""

    message_id: UUID
    n: Annotated[int, Meta(ge=0, le=9999)]
    """Which file of the message, from 0."""


async def read_media(api: Api, call: Call) -> web.StreamResponse:
    """Answers a file of a message, as the provider has it. Raises Problem."""
    message_id, number = MessageId(str(call.path.message_id)), call.path.n
    async with api.pool.acquire() as connection:
        files = await message_media(connection, call.caller.account_id, message_id)
    if number >= len(files):
        raise not_found()
    return await api.media.pass_on(call.request, call.caller, files[number], message_id, number)


OPERATIONS = (
    Operation(
        name="readMedia",
        method="GET",
        address="/media/{message_id}/{n}",
        summary="A file of a message: a picture to be shown, or anything else to be saved.",
        handle=read_media,
        path=MediaPath,
        answers={200: bytes},
        codes=("file_too_large",),
        content_type="*/*",
    ),
)
"""What the API does with files."""
