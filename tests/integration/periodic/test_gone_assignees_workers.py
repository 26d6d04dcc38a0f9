"""Nobody who is gone keeps a conversation, whichever workers run, die, or are of an old version."""

from collections import Counter
from pathlib import Path

import pytest

from tests.harness.gone_assignees import (
    MARIA,
    assigned,
    holding,
    removed,
    unassignments,
    until_unassigned,
)
from tests.harness.inbox import Inbox
from tests.harness.input_events import command, conversation, message, user
from tests.harness.windows import working
from tests.harness.worker import Worker

pytestmark = pytest.mark.seconds(35)

LOCK_OUTBOX = "SELECT FROM inbox.outbox_shards FOR UPDATE"
"""The last lock that a transaction takes before its commit."""


def _contacts(count: int) -> list[str]:
    return [f"whatsapp:+49{number:04d}" for number in range(count)]


async def _assert_each_is_unassigned_once(inbox: Inbox, contacts: list[str]) -> None:
    found = Counter(read.data["conversation_id"] for read in await unassignments(inbox))
    assert found == dict.fromkeys(map(conversation, contacts), 1)
    await inbox.assert_exact()


async def test_two_workers_unassign_each_conversation_once(inbox: Inbox, tmp_path: Path) -> None:
    contacts = _contacts(700)
    async with (
        working(inbox.settings, tmp_path / "first.log"),
        working(inbox.settings, tmp_path / "second.log"),
    ):
        await inbox.apply(user("ana"), user("bo"))
        await assigned(inbox, contacts)
        await inbox.apply(removed("bo"))
        await until_unassigned(inbox)
        await _assert_each_is_unassigned_once(inbox, contacts)


async def test_a_worker_that_dies_while_it_unassigns_leaves_it_to_the_next(
    inbox: Inbox, tmp_path: Path
) -> None:
    contacts = _contacts(20)
    doomed = Worker(inbox.settings, tmp_path / "doomed.log")
    await doomed.start()
    try:
        await inbox.apply(user("ana"), user("bo"))
        await assigned(inbox, contacts)
        async with holding(inbox, LOCK_OUTBOX) as holder:
            await inbox.apply(removed("bo"))
            await holder.until_waited_for()
            doomed.kill()
    finally:
        await doomed.stop()
    theirs = "SELECT count(*) FROM inbox.conversations WHERE assignee_id = 'bo'"
    assert await inbox.owner.fetchval(theirs) == len(contacts)
    async with working(inbox.settings, tmp_path / "next.log"):
        await until_unassigned(inbox)
        await _assert_each_is_unassigned_once(inbox, contacts)


async def test_an_assignment_that_was_decided_before_its_user_left_does_not_stay(
    inbox: Inbox, tmp_path: Path
) -> None:
    async with working(inbox.settings, tmp_path / "first.log"):
        await inbox.apply(user("ana"), user("bo"), message(MARIA))
        async with holding(inbox, LOCK_OUTBOX) as holder:
            await inbox.topics.publish(command("assign", MARIA, "ana", assignee_id="bo"))
            await holder.until_waited_for()
            await inbox.apply(removed("bo"))
        assert (await inbox.read("results"))[-1].kind == "command.accepted"
    # The assignment was not there yet when the user was removed: only a search finds it.
    async with working(inbox.settings, tmp_path / "second.log"):
        await until_unassigned(inbox)
        await _assert_each_is_unassigned_once(inbox, [MARIA])


async def test_those_who_left_before_they_were_recorded_are_found(
    inbox: Inbox, tmp_path: Path
) -> None:
    contacts = _contacts(5)
    async with working(inbox.settings, tmp_path / "old.log"):
        await inbox.apply(user("ana"), *[user(f"user-{number}") for number in range(5)])
        for number, contact in enumerate(contacts):
            await assigned(inbox, [contact], f"user-{number}")
    # As a worker of a version without the table did it.
    await inbox.owner.execute("DELETE FROM inbox.users WHERE user_id IN ('user-0', 'user-4')")
    await inbox.owner.execute(
        "UPDATE inbox.users SET inbox_access = false WHERE user_id = 'user-2'"
    )
    await inbox.owner.execute("UPDATE inbox.accounts SET directory_version = directory_version + 1")
    async with working(inbox.settings, tmp_path / "new.log"):
        for gone in ("user-0", "user-2", "user-4"):
            await until_unassigned(inbox, gone)
        await _assert_each_is_unassigned_once(inbox, contacts[::2])
        causes = [read.event["causationid"] for read in await unassignments(inbox)]
        assert len(set(causes)) == 3
