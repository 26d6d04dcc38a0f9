"""The users and channels of one account, as they are shown to its users."""

from datetime import datetime

from msgspec import Struct

from db.connect import AnyConnection
from db.queries import QUERIES
from schemas.fields import AccountId, ChannelId, UserId

LISTED_MAX = 10_000
"""Users, or channels, of one list. No account has so many; a list has a limit all the same."""


class PresentUser(Struct, frozen=True, kw_only=True):
    """A known user with inbox access, to whom conversations are assigned."""

    user_id: UserId
    name: str
    available: bool


class ListedChannel(Struct, frozen=True, kw_only=True):
    """A channel that an account has or had."""

    channel_id: ChannelId
    name: str
    provider: str
    address: str
    installed_by: UserId
    removed: bool
    last_received_at: datetime | None
    """When a message of a contact was last recorded; None: never."""


async def present_users(connection: AnyConnection, account_id: AccountId) -> list[PresentUser]:
    """Returns the known users of an account who have inbox access, by name."""
    rows = await connection.fetch(QUERIES["present_users"], account_id, LISTED_MAX)
    return [PresentUser(**dict(row)) for row in rows]


async def listed_channels(
    connection: AnyConnection, account_id: AccountId, channel_id: ChannelId | None = None
) -> list[ListedChannel]:
    """Returns the channels of an account, those that were removed last; or only one of them."""
    query = QUERIES["listed_channels"]
    rows = await connection.fetch(query, account_id, LISTED_MAX, channel_id)
    return [ListedChannel(**dict(row)) for row in rows]
