"""Of several conversations that are one person's the oldest goes on, and the others end there."""

from datetime import UTC, datetime

import pytest

from tests.harness.identities import (
    HOUR,
    PHONE,
    THIRD,
    USER,
    aliases,
    messages,
    of,
    opened,
    state,
    writes,
)
from tests.harness.inbox import Inbox, Owner
from tests.harness.published import ACCOUNT, command, conversation, link, reply
from tests.harness.topics import Bus
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await opened(settings, bus, owner)


async def test_of_two_conversations_the_older_goes_on_and_the_younger_is_closed(
    inbox: Inbox,
) -> None:
    await inbox.apply(writes(USER), writes(PHONE), link(PHONE, "deal:d1"))
    await inbox.apply(command("assign", PHONE, "ana", assignee_id="bo"))
    both = writes(PHONE, USER)
    await inbox.apply(both)

    closed = (await of(inbox, PHONE))[-1]
    assert closed.kind == "conversation.closed"
    assert closed.data == {
        "account_id": ACCOUNT,
        "conversation_id": conversation(PHONE),
        "version": 5,
        "before": {"status": "open", "assignee_id": "bo"},
        "after": {"status": "closed", "assignee_id": "bo"},
        "actor_id": None,
        "reason": "inbound_message",
        "merged_into": conversation(USER),
    }
    recorded = (await of(inbox, USER))[-1]
    assert recorded.kind == "conversation.message_recorded"
    assert recorded.event["causationid"] == closed.event["causationid"]
    # What it had stays where it is.
    assert await messages(inbox) == {USER: 2, PHONE: 1}
    assert await state(inbox, PHONE) == {
        "status": "closed",
        "assignee_id": "bo",
        "version": 5,
        "message_count": 1,
        "link_count": 1,
        "merged_into": conversation(USER),
    }
    assert [note.messages[-1].body for note in await inbox.notes("deal:d1")] == [f"from {PHONE}"]

    # And there it ends: with the same message again, and with others.
    await inbox.apply(both, writes(PHONE), writes(PHONE, USER), writes(USER))
    assert await messages(inbox) == {USER: 5, PHONE: 1}
    assert (await state(inbox, PHONE))["version"] == 5
    assert await aliases(inbox) == {}
    await inbox.assert_exact()


async def test_commands_on_the_younger_are_about_the_younger(inbox: Inbox) -> None:
    await inbox.apply(writes(USER), writes(PHONE), writes(PHONE, USER))
    await inbox.apply(
        command("reopen", PHONE, "ana"),
        link(PHONE, "deal:d1"),
        reply(PHONE, "to the younger"),
        command("assign", PHONE, "ana", assignee_id="ana"),
    )
    assert await messages(inbox) == {USER: 2, PHONE: 2}
    # What the contact writes goes on in the older all the same, and closes nothing again.
    await inbox.apply(writes(PHONE), writes(PHONE, USER))
    assert await messages(inbox) == {USER: 4, PHONE: 2}
    assert (await state(inbox, PHONE))["status"] == "open"
    assert (await state(inbox, USER))["assignee_id"] is None
    await inbox.assert_exact()


async def test_a_younger_one_that_was_closed_already_stays_as_it_was(inbox: Inbox) -> None:
    later = datetime.now(UTC) + HOUR
    await inbox.apply(writes(USER), writes(PHONE), command("close", PHONE, "ana", time=later))
    await inbox.apply(command("close", USER, "ana", time=later), writes(PHONE, USER))
    assert [read.kind for read in await of(inbox, PHONE)][2:] == ["conversation.closed"]
    after = await state(inbox, PHONE)
    assert (after["version"], after["merged_into"]) == (3, conversation(USER))
    # The older was closed too, and its contact wrote.
    assert [read.kind for read in await of(inbox, USER)][2:] == [
        "conversation.closed",
        "conversation.message_recorded",
        "conversation.reopened",
    ]


@pytest.mark.parametrize("open_", [True, False], ids=["open", "closed"])
async def test_a_historical_message_joins_addresses_and_no_open_conversation_is_lost_sight_of(
    inbox: Inbox, open_: bool
) -> None:
    later = datetime.now(UTC) + HOUR
    await inbox.apply(writes(USER), writes(PHONE), command("close", USER, "ana", time=later))
    if not open_:
        await inbox.apply(command("close", PHONE, "ana", time=later))
    told = len(await inbox.read("notifications"))
    await inbox.apply(writes(PHONE, USER, THIRD, historical=True))
    assert await messages(inbox) == {USER: 2, PHONE: 1}
    assert await aliases(inbox) == {THIRD: USER}
    assert (await state(inbox, PHONE))["status"] == "closed"
    assert (await state(inbox, USER))["status"] == ("open" if open_ else "closed")
    assert len(await inbox.read("notifications")) == told
    await inbox.assert_exact()


async def test_three_addresses_that_are_told_of_one_by_one_end_in_the_oldest(inbox: Inbox) -> None:
    fourth = "whatsapp:+4944"
    await inbox.apply(writes(PHONE), writes(USER), writes(THIRD))
    await inbox.apply(writes(THIRD, fourth), writes(THIRD, USER))
    assert await aliases(inbox) == {fourth: USER}
    await inbox.apply(writes(USER, PHONE))
    assert await aliases(inbox) == {fourth: PHONE}
    assert (await state(inbox, THIRD))["merged_into"] == conversation(USER)
    assert (await state(inbox, USER))["merged_into"] == conversation(PHONE)
    await inbox.apply(writes(THIRD), writes(fourth), writes(USER), writes(PHONE, THIRD, fourth))
    assert await messages(inbox) == {PHONE: 6, USER: 2, THIRD: 2}
    await inbox.assert_exact()
