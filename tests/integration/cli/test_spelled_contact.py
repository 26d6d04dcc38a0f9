"""`inbox erase` finds a contact by every usual spelling, and never takes another one for it."""

import pytest

from tests.harness.command import Completed, inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, channel, conversation, message, user
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

SMS, WHATSAPP = "+4915112345678", "whatsapp:+4915112345678"
MESSENGER = "messenger:4915112345678"
AMERICAN, NEIGHBOUR = "whatsapp:+16505551111", "whatsapp:+4916012345678"


async def erase(settings: Settings, contact: str, *options: str) -> Completed:
    """Run `inbox erase` on a contact."""
    return await inbox(settings, "erase", "--account", ACCOUNT, "--contact", contact, *options)


def found(shown: Completed) -> set[str]:
    """Returns the ids of the conversations that the command found."""
    return {line.partition("  ")[0] for line in shown.lines if "  to be deleted by " in line}


@pytest.fixture
async def contacts(topics: Topics, worker: Worker, owner: Owner) -> dict[str, str]:
    """The conversations of some contacts on two channels, by address."""
    await topics.publish(user("ana"), channel("whatsapp:+1", "ana"), channel("+2", "ana", "sms"))

    async def known() -> bool:
        return bool(await owner.fetchval("SELECT count(*) = 2 FROM inbox.channels"))

    await until(known, "the channels")
    of_channel = {WHATSAPP: "wa1", AMERICAN: "wa1", NEIGHBOUR: "wa1", SMS: "sms"}
    await topics.publish(
        *[message(address, "Hello", channel_id=id_) for address, id_ in of_channel.items()]
    )
    await topics.read_until("conversations", 2 * len(of_channel))
    return {address: conversation(address, channel=id_) for address, id_ in of_channel.items()}


async def test_every_usual_spelling_finds_the_contact_on_every_channel(
    settings: Settings, contacts: dict[str, str]
) -> None:
    for written in (
        "+49 151 123-45678",
        "0049 (0)151/12345678",
        "4915112345678",
        " tel:+49-151-12345678\n",
        "\N{FULLWIDTH PLUS SIGN}49 151 12345678",
    ):
        shown = await erase(settings, written)
        assert (shown.status, shown.err) == (0, "")
        assert shown.lines[0] == f"contact: {SMS}, {WHATSAPP}"
        assert found(shown) == {contacts[SMS], contacts[WHATSAPP]}
    for written in ("1 (650) 555-1111", "WhatsApp: +1 650 555 1111"):
        assert found(await erase(settings, written)) == {contacts[AMERICAN]}


async def test_an_address_on_one_channel_leaves_the_others_and_says_so(
    settings: Settings, contacts: dict[str, str]
) -> None:
    shown = await erase(settings, " WhatsApp:+49 151 12345678 ")
    assert shown.lines[:2] == [
        f"contact: {WHATSAPP}",
        f"not included, though of equal digits: {SMS}",
    ]
    assert found(shown) == {contacts[WHATSAPP]}


async def test_a_number_without_its_country_code_names_those_that_are_alike(
    settings: Settings, contacts: dict[str, str], owner: Owner
) -> None:
    for written, alike in (
        ("(650) 555-1111", AMERICAN),
        ("0151 12345678", f"{SMS}, {WHATSAPP}, {NEIGHBOUR}"),
    ):
        shown = await erase(settings, written, "--yes")
        assert (shown.status, shown.out) == (1, "")
        [line] = shown.err.splitlines()
        assert line.startswith("inbox: nothing found: ")
        assert f"alike: {alike}." in line
    assert await owner.fetchval("SELECT count(*) FROM inbox.conversations") == len(contacts)


async def test_what_may_be_of_two_contacts_is_refused_and_both_are_named(
    settings: Settings, topics: Topics, contacts: dict[str, str], owner: Owner
) -> None:
    await topics.publish(message(MESSENGER, "Hello", channel_id="fb"))
    await topics.read_until("conversations", 2 * len(contacts) + 2)
    refused = await erase(settings, "49 151 12345678", "--yes")
    assert (refused.status, refused.out) == (1, "")
    [line] = refused.err.splitlines()
    assert line.startswith(f"inbox: several contacts may be meant: {SMS}, {MESSENGER}, {WHATSAPP}")
    assert await owner.fetchval("SELECT count(*) FROM inbox.conversations") == len(contacts) + 1
    exact = await erase(settings, SMS)
    assert found(exact) == {contacts[SMS], contacts[WHATSAPP]}


async def test_nothing_found_is_a_success_only_if_it_was_erased(
    settings: Settings, contacts: dict[str, str], owner: Owner
) -> None:
    erased = await erase(settings, "+49 151 12345678", "--yes")
    assert (erased.status, erased.err) == (0, "")
    assert {f"{contacts[each]}  erased" for each in (SMS, WHATSAPP)} <= set(erased.lines)
    for written in ("0049 151 12345678", WHATSAPP):
        again = await erase(settings, written, "--yes")
        assert (again.status, again.err) == (0, "")
        assert again.out == "nothing found: the account has no conversation of this contact\n"
    for written in ("+49 151 99999999", "Dana", MESSENGER):
        never = await erase(settings, written, "--yes")
        assert (never.status, never.out) == (1, "")
        assert never.err.startswith("inbox: nothing found: the account has no conversation of this")
    assert await owner.fetchval("SELECT count(*) FROM inbox.conversations") == 2


async def test_an_account_that_is_not_here_is_named(settings: Settings) -> None:
    for option in ([], ["--yes"]):
        ended = await inbox(settings, "erase", "--account", "X", "--contact", SMS, *option)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == "inbox: no such account here: X\n"


async def test_an_account_is_found_with_a_blank_around_it(
    settings: Settings, contacts: dict[str, str]
) -> None:
    shown = await inbox(settings, "erase", "--account", f" {ACCOUNT}\n", "--contact", AMERICAN)
    assert found(shown) == {contacts[AMERICAN]}
    for select in (("--account", " ", "--contact", SMS), ("--account", "a", "--contact", "")):
        refused = await inbox(settings, "erase", *select)
        assert (refused.status, "is empty" in refused.err) == (2, True)
