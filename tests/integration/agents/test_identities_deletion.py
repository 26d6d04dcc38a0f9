"""What is deleted of a contact with several addresses, and what stays of the others."""

import pytest

from tests.harness.command import inbox as run_inbox
from tests.harness.identities import PHONE, THIRD, USER, aliases, messages, opened, state, writes
from tests.harness.inbox import Inbox, Owner
from tests.harness.published import ACCOUNT, command, conversation
from tests.harness.topics import Bus
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await opened(settings, bus, owner)


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
