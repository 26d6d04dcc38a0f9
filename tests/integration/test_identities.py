"""A contact with several addresses has one conversation, whichever of them comes first."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.bus import Bus, Read
from tests.command import inbox as run_inbox
from tests.e2e.inbox import Inbox, Owner
from tests.events import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    command,
    conversation,
    event,
    link,
    reply,
    user,
)
from tests.worker import Worker
from workers.settings import Settings

PHONE, USER, THIRD = "whatsapp:+4915112345678", "whatsapp:DE.1349120865530", "whatsapp:+4922"
HOUR = timedelta(hours=1)


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    inbox = Inbox(settings, bus, owner)
    await inbox.apply(user("ana"), user("bo"), channel("whatsapp:+14155238886", "ana"))
    return inbox


def writes(address: str, *others: str, **fields: Any) -> Event:
    """A message from an address, that names other addresses of the same person."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": uuid.uuid4().hex,
        "contact": {"address": address, "identities": others},
        "body": f"from {address}",
        "sent_at": datetime.now(UTC) + HOUR,
    } | fields
    key = conversation(address, str(data["account_id"]), str(data["channel_id"]))
    return event("message.received", data, key=key)


async def messages(inbox: Inbox) -> dict[str, int]:
    """How many messages each conversation has, by the address whose own it is."""
    rows = await inbox.owner.fetch(
        "SELECT c.contact_address, count(m.message_id), c.message_count"
        " FROM inbox.conversations AS c LEFT JOIN inbox.messages AS m USING (conversation_id)"
        " GROUP BY c.conversation_id, c.contact_address, c.message_count"
    )
    assert all(row[1] == row[2] for row in rows)
    return {row[0]: row[1] for row in rows}


async def aliases(inbox: Inbox) -> dict[str, str]:
    """The address whose conversation each address without one leads to."""
    rows = await inbox.owner.fetch(
        "SELECT i.account_id, i.alias_id::text, i.channel_id, i.address, c.contact_address"
        " FROM inbox.identities AS i JOIN inbox.conversations AS c USING (conversation_id)"
    )
    for account_id, alias_id, channel_id, address, _ in rows:
        assert alias_id == conversation(address, account_id, channel_id)
    return {row[3]: row[4] for row in rows}


async def state(inbox: Inbox, address: str) -> dict[str, Any]:
    """What the table says of an address's own conversation."""
    row = await inbox.owner.fetchrow(
        "SELECT status, assignee_id, version, message_count, link_count, merged_into::text"
        " FROM inbox.conversations WHERE conversation_id = $1",
        conversation(address),
    )
    return dict(row or ())


async def of(inbox: Inbox, address: str) -> list[Read]:
    """The log of an address's own conversation."""
    key = conversation(address).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]


async def test_a_phone_first_then_both_then_the_user_id_alone(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE))
    await inbox.apply(writes(PHONE, USER), writes(USER), writes(USER, PHONE), writes(PHONE))
    assert await messages(inbox) == {PHONE: 5}
    assert await aliases(inbox) == {USER: PHONE}
    await inbox.assert_exact()


async def test_a_user_id_first_then_the_phone_that_names_it_then_the_phone_alone(
    inbox: Inbox,
) -> None:
    await inbox.apply(writes(USER), writes(PHONE, USER), writes(PHONE))
    assert await messages(inbox) == {USER: 3}
    assert await aliases(inbox) == {PHONE: USER}
    await inbox.assert_exact()


async def test_both_in_the_first_message_of_all(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE, USER), writes(USER))
    assert await messages(inbox) == {PHONE: 2}
    assert [read.kind for read in await of(inbox, PHONE)] == [
        "conversation.created",
        *["conversation.message_recorded"] * 2,
    ]


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


async def test_in_one_batch_it_is_as_one_by_one(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    # All under one key, and there before the worker is: one poll, one transaction.
    await worker.stop()
    inbox = Inbox(settings, bus, owner)
    fourth = "whatsapp:+4944"
    given = [
        *(writes(USER), writes(PHONE), writes(THIRD, fourth), writes(fourth), writes(PHONE, USER)),
        *(writes(THIRD, PHONE), writes(fourth), writes(THIRD), writes(PHONE)),
    ]
    await bus.publish(*[one._replace(key="one") for one in given])
    await worker.start()
    await bus.read_until("conversations", 3 + len(given) + 2)
    assert await messages(inbox) == {USER: 6, PHONE: 1, THIRD: 2}
    assert await aliases(inbox) == {fourth: USER}
    batches = "SELECT count(DISTINCT recorded_at) FROM inbox.messages"
    assert await owner.fetchval(batches) == 1
    await inbox.assert_exact()


async def test_nothing_crosses_accounts_or_channels(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE, USER))
    elsewhere: tuple[dict[str, Any], ...] = ({"channel_id": "wa2"}, {"account_id": "other"})
    for fields in elsewhere:
        await inbox.apply(writes(USER, **fields), writes(PHONE, **fields))
    rows = await inbox.owner.fetch(
        "SELECT account_id, channel_id, contact_address, message_count, status"
        " FROM inbox.conversations ORDER BY account_id, channel_id, contact_address"
    )
    assert [tuple(row) for row in rows] == [
        ("acme", "wa1", PHONE, 1, "open"),
        ("acme", "wa2", PHONE, 1, "open"),
        ("acme", "wa2", USER, 1, "open"),
        ("other", "wa1", PHONE, 1, "open"),
        ("other", "wa1", USER, 1, "open"),
    ]
    await inbox.apply(writes(PHONE, USER, channel_id="wa2"))
    found = await inbox.owner.fetch(
        "SELECT account_id, channel_id, contact_address FROM inbox.conversations"
        " WHERE merged_into IS NOT NULL"
    )
    assert [tuple(row) for row in found] == [("acme", "wa2", PHONE)]


async def test_once_the_older_is_deleted_the_younger_goes_on_alone(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE), writes(USER), writes(PHONE, USER, THIRD))
    await inbox.apply(command("delete", PHONE, "ana"), writes(USER), writes(THIRD), writes(PHONE))
    assert await messages(inbox) == {USER: 2, THIRD: 1, PHONE: 1}
    assert await aliases(inbox) == {}
    after = await state(inbox, USER)
    assert (after["status"], after["merged_into"]) == ("open", conversation(PHONE))
    # Nobody knows any more whose they are, until a message tells again.
    await inbox.apply(writes(THIRD, PHONE, USER), writes(PHONE))
    assert await messages(inbox) == {USER: 4, THIRD: 1, PHONE: 1}
    assert (await state(inbox, PHONE))["merged_into"] == conversation(USER)
    await inbox.assert_exact()


@pytest.mark.parametrize("address", [PHONE, USER, THIRD])
async def test_a_contact_is_erased_by_whichever_of_the_addresses(
    inbox: Inbox, address: str
) -> None:
    await inbox.apply(writes(USER), writes(PHONE), writes(PHONE, USER, THIRD), writes("sms:+1"))
    select = ("--account", ACCOUNT, "--contact", address)
    shown = await run_inbox(inbox.settings, "erase", *select)
    older, younger = conversation(USER), conversation(PHONE)
    assert [line.partition("  ")[0] for line in shown.lines[:-1]] == [older, younger]
    assert shown.lines[-1] == "2 conversations found, none erased: add --yes to erase"

    erased = await run_inbox(inbox.settings, "erase", *select, "--yes")
    assert sorted(erased.lines) == sorted([f"{older}  erased", f"{younger}  erased"])
    assert await messages(inbox) == {"sms:+1": 1}
    assert await aliases(inbox) == {}
    nothing = await run_inbox(inbox.settings, "erase", *select)
    assert nothing.lines == ["nothing found: the account has no conversation of this contact"]


async def test_of_a_contact_that_only_an_address_leads_to_the_conversation_is_erased(
    inbox: Inbox,
) -> None:
    await inbox.apply(writes(PHONE, USER), writes(PHONE, channel_id="wa2"))
    erased = await run_inbox(
        inbox.settings, "erase", "--account", ACCOUNT, "--contact", USER, "--yes"
    )
    assert (erased.status, erased.lines) == (0, [f"{conversation(PHONE)}  erased"])
    rows = await inbox.owner.fetch("SELECT channel_id FROM inbox.conversations")
    assert [row[0] for row in rows] == ["wa2"]
