"""Unassigns the conversations of users who are gone: removed, or without inbox access.

The transaction that removes a user records them in `gone_assignees`. From there on one small
transaction after the other unassigns some of their conversations, until none is left:

    the next user who is gone -> lock conversations -> are they still gone? -> unassign
        -> forget the user if nothing is left -> outbox -> commit

Several workers may do so at once. Users who are gone but not recorded are searched now and then:
an assignment may have been decided just before its user was removed, or a worker of an older
version may have removed the user.
"""

import asyncio
from typing import NamedTuple, NoReturn

from db.connect import AnyConnection, Pool
from db.conversations import save_conversations
from db.directory import UserKey, users_by_id
from db.gone_assignees import (
    FIRST,
    GoneAssignee,
    find_gone_assignees,
    forget_done_assignee,
    forget_gone_assignees,
    lock_conversations_of_assignee,
    next_gone_assignee,
)
from db.outbox import OutboxRow
from db.queries import QUERIES
from domain.gone_assignees import unassign
from workers.outbox.collector import OutboxCollector
from workers.process import metrics
from workers.process.hooks import Hooks
from workers.process.retries import until_done
from workers.settings import Settings

CONVERSATIONS_MAX = 200
"""Conversations in one transaction."""

GONE_IDLE_SECONDS = 2.0
"""How long to wait before the next round when the last one unassigned nothing."""

SEARCH_SECONDS = 240.0
"""How long to wait between two searches for users who are gone but not recorded."""

ASSIGNEES_MAX = 1_000
"""How many assignees one statement of a search looks at."""


class _Unassigned(NamedTuple):
    """The number of conversations of one transaction, and its outbox rows."""

    conversations: int
    rows: list[OutboxRow]


class GoneAssignees:
    """Unassigns the conversations of all users who are gone, together with other workers."""

    def __init__(self, settings: Settings, *, pool: Pool, hooks: Hooks) -> None:
        self._settings = settings
        self._pool = pool
        self._hooks = hooks
        self._after = FIRST
        """The user whose turn was last. Each gets one transaction at a time, so that one with
        many conversations does not hold up the others."""

    async def watch(self) -> NoReturn:
        """Search and unassign, for ever. Raises every error that is not transient."""
        clock = asyncio.get_running_loop().time
        search_at = clock()
        while True:
            if clock() >= search_at:
                await self._search()
                search_at = clock() + SEARCH_SECONDS
            if not await self._round():
                await asyncio.sleep(GONE_IDLE_SECONDS)

    async def _search(self) -> None:
        """Record all users who are gone and have conversations."""
        after = FIRST

        async def search_on() -> UserKey:
            async with self._pool.acquire() as connection:
                return await find_gone_assignees(connection, after, ASSIGNEES_MAX)

        while (after := await until_done("gone assignees", search_on, self._hooks.alive)) != FIRST:
            pass

    async def _round(self) -> int:
        """Give each user who is gone one transaction; returns the number of conversations."""
        count = 0
        while True:
            unassigned = await until_done("gone assignees", self._unassign_next, self._hooks.alive)
            if unassigned is None:
                return count
            count += unassigned

    async def _unassign_next(self) -> int | None:
        """Unassign conversations of the next user, in one transaction.

        Returns how many; None after the last user.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            gone = await next_gone_assignee(connection, self._after)
            done = await self._unassign_within(connection, gone) if gone else None
        self._after = gone.key if gone else FIRST
        if done is None:
            return None
        metrics.UNASSIGNED.labels("round").inc(done.conversations)
        self._hooks.committed(done.rows)
        return done.conversations

    async def _unassign_within(self, connection: AnyConnection, gone: GoneAssignee) -> _Unassigned:
        conversations = await lock_conversations_of_assignee(
            connection, gone.key, CONVERSATIONS_MAX
        )
        # Read under the locks: nobody assigns these conversations to a user who is back by now.
        if any(user.is_present for user in await users_by_id(connection, [gone.key])):
            await forget_gone_assignees(connection, [gone.key])
            return _Unassigned(0, [])
        outbox = OutboxCollector(self._settings, await connection.fetchval(QUERIES["clock"]))
        changed = []
        for conversation in conversations:
            after, unassigned = unassign(conversation, gone.cause_id)
            changed.append(after)
            outbox.add(unassigned)
        await save_conversations(connection, [], changed)
        await forget_done_assignee(connection, gone.key)
        return _Unassigned(len(changed), await outbox.save(connection))
