"""What one round of an account's events loads from Postgres."""

from collections.abc import Collection
from dataclasses import dataclass

from db.connect import AnyConnection
from db.listed_conversations import ListedConversation, load_listed, seen_versions
from db.message_pages import StoredMessage, messages_by_id
from schemas.fields import AccountId, UserId
from workers.api.events.changes import Changes
from workers.api.events.published import Seen


@dataclass(frozen=True, slots=True)
class Loaded:
    """What Postgres shows after some changes, at the least. It may show later ones too."""

    listed: dict[str, ListedConversation]
    """Those of the conversations that there are."""
    seen: Seen
    """How far the connected users have seen them."""
    messages: dict[str, StoredMessage]
    """The new messages, and the replies whose delivery moved on."""


async def load_round(
    connection: AnyConnection,
    account_id: AccountId,
    changes: Changes,
    changed: Collection[str],
    users: Collection[UserId],
) -> Loaded:
    """Load what has changed: the conversations `changed`, as these users see them, and messages.

    Conversations are loaded last: so none is sent that is older than a message sent with it.
    """
    ids = {*changes.messages, *changes.replies}
    messages = await messages_by_id(connection, account_id, ids) if ids else []
    seen: Seen = {}
    if changed and users:
        seen = await seen_versions(connection, account_id, list(changed), list(users))
    listed = await load_listed(connection, account_id, list(changed)) if changed else []
    return Loaded(
        {each.conversation_id: each for each in listed},
        seen,
        {each.message_id: each for each in messages},
    )
