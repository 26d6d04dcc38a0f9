"""The search for assignees who are gone: page by page, and account by account."""

from collections.abc import AsyncIterator
from itertools import count
from typing import TypeAlias

import asyncpg
import pytest

from db.connect import Connection, connect
from db.directory import UserKey
from db.gone_assignees import (
    FIRST,
    GoneAssignee,
    find_gone_assignees,
    forget_done_assignee,
    forget_gone_assignees,
    lock_conversations_of_assignee,
    next_gone_assignee,
    record_gone_assignees,
)
from schemas.fields import AccountId, UserId
from workers.settings import Settings, required

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_numbers = count(1)


@pytest.fixture
async def worker(database: Settings) -> AsyncIterator[Connection]:
    """A connection as the workers use it."""
    connection = await connect(required(database.database_url, "database"), "test")
    yield connection
    await connection.close()


def key_of(name: str) -> UserKey:
    """Returns the key of a user, which is written as `account/user`."""
    account_id, _, user_id = name.partition("/")
    return AccountId(account_id), UserId(user_id)


async def assign(owner: Owner, *names: str) -> None:
    """Insert a conversation for each of these users, to whom it is assigned."""
    for name in names:
        await owner.execute(
            "INSERT INTO inbox.conversations (account_id, conversation_id, channel_id,"
            " contact_address, status, assignee_id, version, message_count, link_count, created_at)"
            " VALUES ($1, gen_random_uuid(), 'wa1', $3, 'open', $2, 3, 1, 0, now())",
            *key_of(name),
            f"+{next(_numbers)}",
        )


async def add_users(owner: Owner, *names: str, inbox_access: bool) -> None:
    """Insert users."""
    for name in names:
        await owner.execute(
            "INSERT INTO inbox.users (account_id, user_id, name, email, inbox_access, available,"
            " settings) VALUES ($1, $2, 'Someone', '', $3, true, '{}')",
            *key_of(name),
            inbox_access,
        )


async def recorded(worker: Connection) -> list[GoneAssignee]:
    """Returns all users who are recorded as gone, in the order in which workers come to them."""
    found, after = [], FIRST
    while (gone := await next_gone_assignee(worker, after)) is not None:
        found.append(gone)
        after = gone.key
    return found


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8, 100])
async def test_a_search_finds_all_assignees_who_are_gone_and_nobody_else(
    owner: Owner, worker: Connection, page: int
) -> None:
    await assign(owner, "acme/ana", "acme/bo", "acme/bo", "acme/cy", "globex/ana", "globex/bo")
    await assign(owner, "acme/dee", "zeta/dee", "zeta/dee")
    await add_users(owner, "acme/ana", "globex/bo", "zeta/dee", inbox_access=True)
    await add_users(owner, "acme/cy", "globex/eve", inbox_access=False)
    gone = ["acme/bo", "acme/cy", "acme/dee", "globex/ana"]
    for _ in range(2):
        after, pages = await find_gone_assignees(worker, FIRST, page), 1
        while after != FIRST:
            after, pages = await find_gone_assignees(worker, after, page), pages + 1
        assert pages == 7 // page + 1
        assert await recorded(worker) == [GoneAssignee(key_of(name), None) for name in gone]


async def test_who_has_no_conversation_is_not_recorded_and_the_first_cause_stays(
    owner: Owner, worker: Connection
) -> None:
    bo, cy, other = map(key_of, ("acme/bo", "acme/cy", "globex/bo"))
    await assign(owner, "acme/bo", "globex/cy")
    await record_gone_assignees(worker, {cy: "d1", bo: "d2", other: "d3"})
    await record_gone_assignees(worker, {bo: "d4"})
    assert await recorded(worker) == [GoneAssignee(bo, "d2")]
    await forget_gone_assignees(worker, [cy, other])
    assert await recorded(worker) == [GoneAssignee(bo, "d2")]
    await forget_gone_assignees(worker, [bo])
    assert await recorded(worker) == []


async def test_a_user_is_recorded_until_no_conversation_is_theirs_even_if_it_is_locked(
    owner: Owner, worker: Connection
) -> None:
    bo = key_of("acme/bo")
    await assign(owner, *["acme/bo"] * 3, "globex/bo", "acme/cy")
    await record_gone_assignees(worker, {bo: "d1"})
    theirs = "SELECT FROM inbox.conversations WHERE account_id = 'acme' AND assignee_id = 'bo'"
    async with worker.transaction():
        assert len(await lock_conversations_of_assignee(worker, bo, 2)) == 2
    async with owner.transaction():
        await owner.execute(f"{theirs} LIMIT 2 FOR UPDATE")
        async with worker.transaction():
            (free,) = await lock_conversations_of_assignee(worker, bo, 200)
            assert (free.account_id, free.assignee_id, free.version) == ("acme", "bo", 3)
    await owner.execute(
        "UPDATE inbox.conversations SET assignee_id = NULL WHERE conversation_id = $1",
        free.conversation_id,
    )
    await forget_done_assignee(worker, bo)
    assert await recorded(worker) == [GoneAssignee(bo, "d1")]
    await owner.execute(
        "UPDATE inbox.conversations SET assignee_id = NULL WHERE account_id = 'acme'"
    )
    await forget_done_assignee(worker, bo)
    assert await recorded(worker) == []
