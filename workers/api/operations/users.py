"""The users of the account: those to whom a conversation can be assigned."""

from msgspec import Struct

from db.directory_lists import PresentUser, present_users
from workers.api.operation import Call, Operation
from workers.api.service import Api


class Users(Struct, frozen=True, kw_only=True):
    """The known users with inbox access, by name."""

    items: list[PresentUser]


async def list_users(api: Api, call: Call) -> Users:
    """Returns the users of the caller's account.

    Who has no inbox access is left out: nobody can assign anything to them.
    """
    async with api.pool.acquire() as connection:
        return Users(items=await present_users(connection, call.caller.account_id))


OPERATIONS = (
    Operation(
        name="listUsers",
        method="GET",
        address="/users",
        summary="The users of the account who have inbox access.",
        handle=list_users,
        answers={200: Users},
    ),
)
"""What the API does with users."""
