"""For tests of assignees who are gone: users who leave, and the conversations that they had."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, Event, command, conversation, event, message, user
from tests.harness.topics import ReadRecord
from tests.harness.waiting import until

MARIA, JONAS = "whatsapp:+4911", "whatsapp:+4922"


def removed(user_id: str, **attributes: Any) -> Event:
    """Returns the removal of a user."""
    data = {"account_id": ACCOUNT, "user_id": user_id}
    return event("user.removed", data, key=ACCOUNT, **attributes)


def refused(user_id: str) -> Event:
    """Returns the change that takes a user's inbox access."""
    return user(user_id, inbox_access=False)


LEAVING = {"removed": removed, "no access": refused}
"""The ways to be gone."""


async def assigned(inbox: Inbox, contacts: Sequence[str], user_id: str = "bo") -> None:
    """Let each contact write, and assign their conversations to a user. A worker must run."""
    await inbox.topics.publish(*[message(contact) for contact in contacts])
    states = "SELECT count(*) FROM inbox.conversations WHERE assignee_id IS NOT DISTINCT FROM $1"

    async def all_wrote() -> bool:
        keys = [conversation(contact) for contact in contacts]
        query = "SELECT count(*) FROM inbox.conversations WHERE conversation_id = ANY ($1::uuid[])"
        return bool(await inbox.owner.fetchval(query, keys) == len(contacts))

    async def all_are_assigned() -> bool:
        return bool(await inbox.owner.fetchval(states, user_id) == len(contacts))

    await until(all_wrote, "a conversation of each contact")
    await inbox.topics.publish(
        *[command("assign", contact, "ana", assignee_id=user_id) for contact in contacts]
    )
    await until(all_are_assigned, "the assignment of each conversation")


async def until_unassigned(inbox: Inbox, user_id: str = "bo") -> None:
    """Wait until a user has no conversation, and nobody who is gone is recorded any more."""

    async def is_done() -> bool:
        return bool(
            await inbox.owner.fetchval(
                "SELECT NOT EXISTS (SELECT FROM inbox.conversations WHERE assignee_id = $1)"
                " AND NOT EXISTS (SELECT FROM inbox.gone_assignees)",
                user_id,
            )
        )

    await until(is_done, "every conversation of the user to be unassigned")


async def unassignments(inbox: Inbox) -> list[ReadRecord]:
    """Returns the events of conversations whose assignee was gone."""
    log = await inbox.read("conversations")
    return [read for read in log if read.data["reason"] == "assignee_gone"]


@asynccontextmanager
async def holding(inbox: Inbox, statement: str, *arguments: Any) -> AsyncIterator["Holder"]:
    """A transaction of somebody else that holds what a statement locks, until the end."""
    connection = await asyncpg.connect(inbox.settings.migration_database_url)
    try:
        async with connection.transaction():
            await connection.execute(statement, *arguments)
            xid = await connection.fetchval("SELECT pg_current_xact_id()::xid")
            yield Holder(inbox, xid)
    finally:
        await connection.close()


class Holder:
    """A transaction that holds locks."""

    def __init__(self, inbox: Inbox, xid: Any) -> None:
        self._inbox = inbox
        self._xid = xid

    async def until_waited_for(self) -> None:
        """Wait until another transaction waits for this one."""

        async def is_waited_for() -> bool:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = $1"
            return bool(await self._inbox.owner.fetchval(waiting, self._xid))

        await until(is_waited_for, "a transaction that waits for the lock")
