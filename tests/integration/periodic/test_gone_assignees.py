"""The conversations of a user who was removed or lost inbox access become unassigned."""

from collections.abc import Callable

import msgspec
import pytest

from tests.harness.gone_assignees import (
    JONAS,
    LEAVING,
    MARIA,
    assigned,
    holding,
    refused,
    removed,
    unassignments,
    until_unassigned,
)
from tests.harness.inbox import Inbox, answers
from tests.harness.input_events import ACCOUNT, Event, command, conversation, link, message, user
from tests.harness.waiting import until
from tests.harness.worker import Worker

pytestmark = pytest.mark.seconds(35)

LOCK_CONVERSATION = "SELECT FROM inbox.conversations WHERE conversation_id = $1 FOR UPDATE"
LOCK_ALL = "SELECT FROM inbox.conversations FOR UPDATE"


@pytest.mark.parametrize("leaves", LEAVING.values(), ids=LEAVING.keys())
async def test_a_contact_who_writes_to_a_user_who_is_gone_reaches_those_who_are_there(
    served: Inbox, worker: Worker, leaves: Callable[[str], Event]
) -> None:
    await served.apply(user("bo"))
    await assigned(served, [MARIA])
    await served.apply(command("close", MARIA, "ana"), link(MARIA, "deal:d1"))
    # Only the contact's message is to find the conversation: whoever else looks skips the lock.
    async with holding(served, LOCK_CONVERSATION, conversation(MARIA)) as holder:
        await served.apply(leaves("bo"))
        await served.topics.publish(message(MARIA, "Is anybody there?"))
        await holder.until_waited_for()
    await until_unassigned(served)
    log = await served.read("conversations")
    assert [read.kind.removeprefix("conversation.") for read in log[-3:]] == [
        "message_recorded",
        "reopened",
        "unassigned",
    ]
    unassigned = log[-1].data
    assert (unassigned["actor_id"], unassigned["reason"]) == (None, "assignee_gone")
    assert unassigned["before"] == {"status": "open", "assignee_id": "bo"}
    assert unassigned["after"] == {"status": "open", "assignee_id": None}
    assert {read.event["causationid"] for read in log[-3:]} == {log[-1].event["causationid"]}
    told = (await served.read("notifications"))[-1].data
    assert told["message"]["preview"] == "Is anybody there?"
    assert told["recipients"] == [{"user_id": "ana", "reason": "unassigned", "media": ["desktop"]}]
    assert told["version"] == unassigned["version"]
    assert (await served.read("notes"))[-1].data["assignee"] is None
    assert 'inbox_gone_assignees_unassigned_total{by="message"} 1.0' in await worker.metrics()
    await served.assert_exact(["deal:d1"])


@pytest.mark.parametrize("leaves", LEAVING.values(), ids=LEAVING.keys())
async def test_without_a_message_open_and_closed_ones_become_unassigned_all_the_same(
    served: Inbox, worker: Worker, leaves: Callable[[str], Event]
) -> None:
    await served.apply(user("bo"))
    # More than one transaction unassigns.
    contacts = [f"whatsapp:+49{number:04d}" for number in range(430)]
    await assigned(served, [MARIA], "ana")
    await assigned(served, contacts)
    await served.apply(command("close", contacts[0], "ana"))
    gone = leaves("bo")
    await served.apply(gone)
    await until_unassigned(served)
    found = {read.data["conversation_id"]: read.event for read in await unassignments(served)}
    assert found.keys() == {conversation(contact) for contact in contacts}
    assert {event["causationid"] for event in found.values()} == {_id_of(gone)}
    closed = found[conversation(contacts[0])]["data"]
    assert closed["before"] == {"status": "closed", "assignee_id": "bo"}
    assert closed["after"] == {"status": "closed", "assignee_id": None}
    kept = "SELECT assignee_id FROM inbox.conversations WHERE conversation_id = $1"
    assert await served.owner.fetchval(kept, conversation(MARIA)) == "ana"
    # Nobody is told of an unassignment.
    kinds = {read.data["kind"] for read in await served.read("notifications")}
    assert kinds == {"message", "assignment"}
    assert 'inbox_gone_assignees_unassigned_total{by="round"} 430.0' in await worker.metrics()
    await served.assert_exact()


def _id_of(event: Event) -> str:
    id_: str = msgspec.json.decode(event.value)["id"]
    return id_


async def test_who_comes_back_keeps_what_is_still_theirs(served: Inbox) -> None:
    await served.apply(user("bo"), user("cy"))
    await assigned(served, [MARIA])
    await assigned(served, [JONAS], "cy")
    recorded = "SELECT array_agg(user_id) FROM inbox.gone_assignees"
    async with holding(served, LOCK_CONVERSATION, conversation(MARIA)):
        await served.apply(refused("bo"))
        assert await served.owner.fetchval(recorded) == ["bo"]
        await served.apply(user("bo"))
        assert await served.owner.fetchval(recorded) is None
    # When the rounds have come to the one who is gone for good, they have come to the other one.
    await served.apply(removed("cy"))
    await until_unassigned(served, "cy")
    assert [read.data["before"]["assignee_id"] for read in await unassignments(served)] == ["cy"]
    assert (
        await served.owner.fetchval(
            "SELECT assignee_id FROM inbox.conversations WHERE conversation_id = $1",
            conversation(MARIA),
        )
        == "bo"
    )
    await served.assert_exact()


async def test_who_is_recorded_although_they_are_there_keeps_everything(served: Inbox) -> None:
    await served.apply(user("bo"))
    await assigned(served, [MARIA])
    # As a search writes it that has just missed that the user came back.
    await served.owner.execute("INSERT INTO inbox.gone_assignees VALUES ($1, 'bo')", ACCOUNT)

    async def is_forgotten() -> bool:
        return not await served.owner.fetchval("SELECT count(*) FROM inbox.gone_assignees")

    await until(is_forgotten, "the user to be forgotten")
    assert await served.owner.fetchval("SELECT assignee_id FROM inbox.conversations") == "bo"
    assert await unassignments(served) == []


async def test_a_user_without_conversations_leaves_no_trace(served: Inbox) -> None:
    await assigned(served, [MARIA], "ana")
    await served.apply(user("bo"), removed("bo"), removed("stranger"), refused("cy"))
    assert await served.owner.fetchval("SELECT count(*) FROM inbox.gone_assignees") == 0
    assert await unassignments(served) == []


async def test_the_present_assignee_cannot_be_assigned_again_once_they_are_gone(
    served: Inbox,
) -> None:
    await served.apply(user("bo"), user("cy"))
    await assigned(served, [MARIA])
    await assigned(served, [JONAS], "cy")
    async with holding(served, LOCK_ALL) as holder:
        await served.apply(removed("bo"), refused("cy"))
        again = [
            command("assign", MARIA, "ana", assignee_id="bo"),
            command("assign", JONAS, "ana", assignee_id="cy"),
        ]
        await served.topics.publish(*again)
        await holder.until_waited_for()
    await until_unassigned(served)
    await until_unassigned(served, "cy")
    rejected = [code for _, code, _ in answers(await served.read("results")) if code]
    assert sorted(rejected) == ["no_inbox_access", "unknown_user"]
    await served.assert_exact()
