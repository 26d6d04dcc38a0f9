"""Write how far users have seen conversations. Only the API does."""

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId, ConversationId, UserId


class BeyondTheNewest(Exception):
    """A user says to have seen a version that a conversation does not have."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version} is the newest")
        self.version = version
        """The conversation's newest version."""


async def see_conversation(
    connection: AnyConnection,
    account_id: AccountId,
    conversation_id: ConversationId,
    user_id: UserId,
    version: int,
) -> int | None:
    """Note that a user has seen a conversation up to a version.

    Returns how far they have seen it by now, which never goes back, or None if the account has no
    such conversation. Raises BeyondTheNewest, and notes nothing.
    """
    query = QUERIES["see_conversation"]
    row = await connection.fetchrow(query, account_id, conversation_id, user_id, version)
    if row is None:
        return None
    if row["seen"] is None:
        raise BeyondTheNewest(row["version"])
    seen: int = row["seen"]
    return seen
