"""Write how far users have seen conversations, as the API does; delete what nobody needs."""

from uuid import UUID

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId, ConversationId, UserId

SeenKey = tuple[str, str, str]
"""The account, conversation and user of a row of inbox.seen."""

START: SeenKey = ("", str(UUID(int=0)), "")
"""A key before every row."""

SWEPT_MAX = 1_000
"""The limit of rows that one statement looks at."""


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


async def sweep_seen(connection: AnyConnection, behind: SeenKey) -> SeenKey | None:
    """Delete what users saw who are gone, and what is of conversations that are gone.

    A deletion does not see what a user sees at the same moment, so it leaves that behind. Looks at
    the next `SWEPT_MAX` rows behind a key. Returns the key of the last of them; None at the end.
    """
    row = await connection.fetchrow(QUERIES["sweep_seen"], *behind, SWEPT_MAX)
    return None if row is None else (row[0], row[1], row[2])
