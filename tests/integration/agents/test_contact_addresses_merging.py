"""Several conversations of one person: the oldest goes on, and the others end."""

from datetime import UTC, datetime

import pytest

from tests.harness.identities import (
    HOUR,
    PHONE,
    THIRD,
    USER,
    aliases,
    conversation_row,
    log_of,
    message_counts,
    message_from,
)
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import ACCOUNT, command, conversation, link, reply
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_of_two_conversations_the_older_goes_on_and_the_younger_is_closed(
    inbox: Inbox,
) -> None:
    await inbox.apply(message_from(USER), message_from(PHONE), link(PHONE, "deal:d1"))
    await inbox.apply(command("assign", PHONE, "ana", assignee_id="bo"))
    both = message_from(PHONE, USER)
    await inbox.apply(both)

    closed = (await log_of(inbox, PHONE))[-1]
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
    recorded = (await log_of(inbox, USER))[-1]
    assert recorded.kind == "conversation.message_recorded"
    assert recorded.event["causationid"] == closed.event["causationid"]
    # The younger keeps its messages and links.
    assert await message_counts(inbox) == {USER: 2, PHONE: 1}
    assert await conversation_row(inbox, PHONE) == {
        "status": "closed",
        "assignee_id": "bo",
        "version": 5,
        "message_count": 1,
        "link_count": 1,
        "merged_into": conversation(USER),
    }
    assert [note.messages[-1].body for note in await inbox.notes("deal:d1")] == [f"from {PHONE}"]

    # It stays closed, after the same message again and after others.
    await inbox.apply(both, message_from(PHONE), message_from(PHONE, USER), message_from(USER))
    assert await message_counts(inbox) == {USER: 5, PHONE: 1}
    assert (await conversation_row(inbox, PHONE))["version"] == 5
    assert await aliases(inbox) == {}
    await inbox.assert_exact()


async def test_commands_on_the_younger_are_about_the_younger(inbox: Inbox) -> None:
    await inbox.apply(message_from(USER), message_from(PHONE), message_from(PHONE, USER))
    await inbox.apply(
        command("reopen", PHONE, "ana"),
        link(PHONE, "deal:d1"),
        reply(PHONE, "to the younger"),
        command("assign", PHONE, "ana", assignee_id="ana"),
    )
    assert await message_counts(inbox) == {USER: 2, PHONE: 2}
    # The contact's messages still go to the older one, and do not close the younger again.
    await inbox.apply(message_from(PHONE), message_from(PHONE, USER))
    assert await message_counts(inbox) == {USER: 4, PHONE: 2}
    assert (await conversation_row(inbox, PHONE))["status"] == "open"
    assert (await conversation_row(inbox, USER))["assignee_id"] is None
    await inbox.assert_exact()


async def test_a_younger_one_that_was_closed_already_stays_as_it_was(inbox: Inbox) -> None:
    later = datetime.now(UTC) + HOUR
    await inbox.apply(
        message_from(USER), message_from(PHONE), command("close", PHONE, "ana", time=later)
    )
    await inbox.apply(command("close", USER, "ana", time=later), message_from(PHONE, USER))
    assert [read.kind for read in await log_of(inbox, PHONE)][2:] == ["conversation.closed"]
    after = await conversation_row(inbox, PHONE)
    assert (after["version"], after["merged_into"]) == (3, conversation(USER))
    # The older one was closed too, and is reopened by the message.
    assert [read.kind for read in await log_of(inbox, USER)][2:] == [
        "conversation.closed",
        "conversation.message_recorded",
        "conversation.reopened",
    ]


@pytest.mark.parametrize("open_", [True, False], ids=["open", "closed"])
async def test_a_historical_message_joins_addresses_and_no_open_conversation_is_lost_sight_of(
    inbox: Inbox, open_: bool
) -> None:
    later = datetime.now(UTC) + HOUR
    await inbox.apply(
        message_from(USER), message_from(PHONE), command("close", USER, "ana", time=later)
    )
    if not open_:
        await inbox.apply(command("close", PHONE, "ana", time=later))
    told = len(await inbox.read("notifications"))
    await inbox.apply(message_from(PHONE, USER, THIRD, historical=True))
    assert await message_counts(inbox) == {USER: 2, PHONE: 1}
    assert await aliases(inbox) == {THIRD: USER}
    assert (await conversation_row(inbox, PHONE))["status"] == "closed"
    assert (await conversation_row(inbox, USER))["status"] == ("open" if open_ else "closed")
    assert len(await inbox.read("notifications")) == told
    await inbox.assert_exact()


async def test_three_addresses_that_are_told_of_one_by_one_end_in_the_oldest(inbox: Inbox) -> None:
    fourth = "whatsapp:+4944"
    await inbox.apply(message_from(PHONE), message_from(USER), message_from(THIRD))
    await inbox.apply(message_from(THIRD, fourth), message_from(THIRD, USER))
    assert await aliases(inbox) == {fourth: USER}
    await inbox.apply(message_from(USER, PHONE))
    assert await aliases(inbox) == {fourth: PHONE}
    assert (await conversation_row(inbox, THIRD))["merged_into"] == conversation(USER)
    assert (await conversation_row(inbox, USER))["merged_into"] == conversation(PHONE)
    await inbox.apply(
        message_from(THIRD),
        message_from(fourth),
        message_from(USER),
        message_from(PHONE, THIRD, fourth),
    )
    assert await message_counts(inbox) == {PHONE: 6, USER: 2, THIRD: 2}
    await inbox.assert_exact()
