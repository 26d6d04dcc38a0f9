"""The users who are gone, until none of their conversations is left to unassign."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from db.connect import AnyConnection
from db.directory import UserKey
from db.queries import QUERIES
from domain.conversation import Conversation
from schemas.fields import AccountId, UserId

FIRST: UserKey = (AccountId(""), UserId(""))
"""A key before that of every user."""


class GoneAssignee(NamedTuple):
    """A user who was removed or lost inbox access."""

    key: UserKey
    cause_id: str | None
    """The id of the directory's event that took the access, if it is known."""


async def record_gone_assignees(
    connection: AnyConnection, causes: Mapping[UserKey, str | None]
) -> None:
    """Record users who are gone, each with the id of the event that took the access, if known.

    Users without conversations are left out.
    """
    if causes:
        rows = [(*key, cause_id) for key, cause_id in causes.items()]
        await connection.execute(QUERIES["record_gone_assignees"], *zip(*rows, strict=True))


async def forget_gone_assignees(connection: AnyConnection, keys: Collection[UserKey]) -> None:
    """Forget users who are there after all. It is no error if they were not gone."""
    if keys:
        await connection.execute(QUERIES["forget_gone_assignees"], *zip(*keys, strict=True))


async def find_gone_assignees(
    connection: AnyConnection, after: UserKey, assignees_max: int
) -> UserKey:
    """Look at the next assignees after a user, at most so many, and record those who are gone.

    Returns the last one, to continue after; `FIRST` when no more are left. They come by user id
    first.
    """
    row = await connection.fetchrow(QUERIES["find_gone_assignees"], *after, assignees_max)
    assert row is not None
    number, account_id, user_id = row
    return FIRST if number < assignees_max else (account_id, user_id)


async def next_gone_assignee(connection: AnyConnection, after: UserKey) -> GoneAssignee | None:
    """Returns the next user after another one who is gone, by their keys."""
    row = await connection.fetchrow(QUERIES["next_gone_assignee"], *after)
    return GoneAssignee((row[0], row[1]), row[2]) if row else None


async def lock_conversations_of_assignee(
    connection: AnyConnection, key: UserKey, conversations_max: int
) -> list[Conversation]:
    """Lock and return conversations that are assigned to a user, until the transaction ends.

    At most so many, and none that another transaction has locked.
    """
    query = QUERIES["lock_conversations_of_assignee"]
    rows = await connection.fetch(query, *key, conversations_max)
    return [Conversation(*row) for row in rows]


async def forget_done_assignee(connection: AnyConnection, key: UserKey) -> None:
    """Forget a user who is gone, if no conversation is assigned to them any more."""
    await connection.execute(QUERIES["forget_done_assignee"], *key)
