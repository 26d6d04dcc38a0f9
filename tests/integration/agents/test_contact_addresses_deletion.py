"""Deletions for contacts with several addresses: what is deleted, and what stays."""

import pytest

from tests.harness.command import inbox as run_inbox
from tests.harness.identities import (
    PHONE,
    THIRD,
    USER,
    aliases,
    conversation_row,
    message_counts,
    message_from,
)
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import ACCOUNT, command, conversation
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_once_the_older_is_deleted_the_younger_goes_on_alone(inbox: Inbox) -> None:
    await inbox.apply(message_from(PHONE), message_from(USER), message_from(PHONE, USER, THIRD))
    await inbox.apply(
        command("delete", PHONE, "ana"),
        message_from(USER),
        message_from(THIRD),
        message_from(PHONE),
    )
    assert await message_counts(inbox) == {USER: 2, THIRD: 1, PHONE: 1}
    assert await aliases(inbox) == {}
    after = await conversation_row(inbox, USER)
    assert (after["status"], after["merged_into"]) == ("open", conversation(PHONE))
    # The addresses do not belong together any more, until a message lists them again.
    await inbox.apply(message_from(THIRD, PHONE, USER), message_from(PHONE))
    assert await message_counts(inbox) == {USER: 4, THIRD: 1, PHONE: 1}
    assert (await conversation_row(inbox, PHONE))["merged_into"] == conversation(USER)
    await inbox.assert_exact()


@pytest.mark.parametrize("address", [PHONE, USER, THIRD])
async def test_a_contact_is_erased_by_whichever_of_the_addresses(
    inbox: Inbox, address: str
) -> None:
    await inbox.apply(
        message_from(USER),
        message_from(PHONE),
        message_from(PHONE, USER, THIRD),
        message_from("sms:+1"),
    )
    select = ("--account", ACCOUNT, "--contact", address)
    shown = await run_inbox(inbox.settings, "erase", *select)
    older, younger = conversation(USER), conversation(PHONE)
    assert [line.partition("  ")[0] for line in shown.lines[:-1]] == [older, younger]
    assert shown.lines[-1] == "2 conversations found, none erased: add --yes to erase"

    erased = await run_inbox(inbox.settings, "erase", *select, "--yes")
    assert sorted(erased.lines) == sorted([f"{older}  erased", f"{younger}  erased"])
    assert await message_counts(inbox) == {"sms:+1": 1}
    assert await aliases(inbox) == {}
    nothing = await run_inbox(inbox.settings, "erase", *select)
    assert nothing.lines == ["nothing found: the account has no conversation of this contact"]


async def test_of_a_contact_that_only_an_address_leads_to_the_conversation_is_erased(
    inbox: Inbox,
) -> None:
    await inbox.apply(message_from(PHONE, USER), message_from(PHONE, channel_id="wa2"))
    erased = await run_inbox(
        inbox.settings, "erase", "--account", ACCOUNT, "--contact", USER, "--yes"
    )
    assert (erased.status, erased.lines) == (0, [f"{conversation(PHONE)}  erased"])
    rows = await inbox.owner.fetch("SELECT channel_id FROM inbox.conversations")
    assert [row[0] for row in rows] == ["wa2"]
