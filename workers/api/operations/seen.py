"""What a user has seen."""

from msgspec import Struct

from db.seen import BeyondTheNewest, see_conversation
from schemas.fields import ConversationId, Version
from workers.api.operation import Call, Operation
from workers.api.problem import Problem, not_found
from workers.api.service import Api
from workers.api.shapes import ConversationPath


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """How far the caller has seen a conversation."""

    version: Version


async def see(api: Api, call: Call) -> Seen:
    """Note how far the caller has seen a conversation. Returns how far they have seen it by now,
    which may be further. Raises Problem."""
    caller = call.caller
    conversation_id = ConversationId(str(call.path.id))
    async with api.pool.acquire() as connection:
        try:
            seen = await see_conversation(
                connection,
                caller.account_id,
                conversation_id,
                caller.user_id,
                call.body.version,
            )
        except BeyondTheNewest as error:
            raise Problem("invalid_request", f"version: {error}") from None
    if seen is None:
        raise not_found()
    return Seen(seen)


OPERATIONS = (
    Operation(
        name="seeConversation",
        method="POST",
        address="/conversations/{id}/seen",
        summary="The caller has seen a conversation up to a version. It never goes back.",
        handle=see,
        path=ConversationPath,
        body=Seen,
        answers={200: Seen},
    ),
)
