"""Conversations are found by the start of a name or an address of their contact."""

from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from db.contact_search import contact_addresses, search_contacts
from db.sections import NEWEST
from domain.conversation import Section
from schemas.fields import ConversationId, UserId
from tests.harness.input_events import ACCOUNT, CHANNEL
from tests.harness.stored_conversations import NOON, numbered, store_conversation

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def found(owner: Owner, contact: str, section: Section | None = None) -> list[int]:
    """Returns the numbers of the conversations that ana finds."""
    places = await search_contacts(
        owner, ACCOUNT, UserId("ana"), contact, section=section, after=NEWEST, count=100
    )
    return [place.conversation_id.int for place in places]


async def alias(owner: Owner, number: int, address: str) -> None:
    """Write a further address of the contact of a conversation."""
    await owner.execute(
        "INSERT INTO inbox.identities VALUES ($1, gen_random_uuid(), $2, $3, $4)",
        ACCOUNT,
        UUID(int=number),
        CHANNEL,
        address,
    )


@pytest.fixture
async def contacts(owner: Owner) -> None:
    """Some contacts."""
    for number, name, address in (
        (1, "Олена Шевченко", "whatsapp:+380441234567"),
        (2, "JÖRG Müller", "whatsapp:+4915112345678"),
        (3, "jörgensen", "+4915112345678"),
        (4, "100% Maria_x", "messenger:1234567890"),
        (5, None, "whatsapp:+14155550100"),
        (6, "Maria", "whatsapp:+15"),
    ):
        columns = {"contact_name": name, "contact_address": address}
        await store_conversation(owner, number, **columns)
    await store_conversation(owner, 7, account_id="other", contact_name="Maria")
    await store_conversation(owner, 8, contact_name="x" * 5000, contact_address="X" * 256)


@pytest.mark.usefixtures("contacts")
@pytest.mark.parametrize(
    ("contact", "numbers"),
    [
        ("олена", [1]),
        ("ОЛЕ", [1]),
        ("jörg", [3, 2]),
        ("Jörg M", [2]),
        ("100%", [4]),
        ("100_", []),
        ("mar", [6]),
        ("%%%", []),
        ("+4915112", [3, 2]),
        ("4915112345678", [3, 2]),
        ("+49 151 12-34", [3, 2]),
        ("0049 (0)151", [3, 2]),
        ("whatsapp:+49 151", [3, 2]),
        ("WhatsApp:49151", [3, 2]),
        ("messenger:1234", [4]),
        ("123456", [4]),
        ("whatsapp:", []),
        ("+++", []),
        ("5112345678", []),
        ("x" * 200, [8]),
        ("'; --", []),
        ("\\x41", []),
    ],
)
async def test_contacts_are_found_by_how_they_begin(
    owner: Owner, contact: str, numbers: list[int]
) -> None:
    assert await found(owner, contact) == numbers


@pytest.mark.usefixtures("contacts")
async def test_a_search_may_be_of_one_section(owner: Owner) -> None:
    await store_conversation(owner, 11, contact_name="Nora", assignee_id="ana")
    await store_conversation(owner, 12, contact_name="Nora", assignee_id="bo")
    await store_conversation(owner, 13, contact_name="Nora", assignee_id="ana", status="closed")
    await store_conversation(owner, 14, contact_name="Nora")
    assert await found(owner, "nora") == [14, 13, 12, 11]
    assert await found(owner, "nora", "assigned_to_me") == [11]
    assert await found(owner, "nora", "assigned_to_others") == [12]
    assert await found(owner, "nora", "closed") == [13]
    assert await found(owner, "nora", "unassigned") == [14]


async def addresses(owner: Owner, number: int) -> list[str]:
    """Returns the addresses of the contact of a conversation."""
    return await contact_addresses(owner, ACCOUNT, ConversationId(numbered(number)))


async def test_any_address_of_a_contact_leads_to_the_conversation_that_goes_on(
    owner: Owner,
) -> None:
    # 3 was merged into 2, and 2 into 1, the oldest; 1 has another address too.
    for number in (1, 2, 3):
        await store_conversation(
            owner,
            number,
            contact_address=f"whatsapp:+{number}00",
            merged_into=numbered(number - 1) if number > 1 else None,
            status="closed" if number > 1 else "open",
        )
    await alias(owner, 1, "whatsapp:+900")
    await store_conversation(owner, 5, contact_address="whatsapp:+500")
    assert await found(owner, "+900") == [1]
    assert await found(owner, "+300") == [3, 2, 1]
    everything = ["whatsapp:+100", "whatsapp:+200", "whatsapp:+300", "whatsapp:+900"]
    assert await addresses(owner, 1) == everything
    assert await addresses(owner, 3) == [everything[2], *everything[:2], everything[3]]
    assert await addresses(owner, 5) == ["whatsapp:+500"]
    assert await addresses(owner, 9) == []


async def test_what_started_afresh_is_not_merged_any_more(owner: Owner) -> None:
    await store_conversation(owner, 1, contact_address="+100", created_at=NOON.replace(year=2027))
    await store_conversation(owner, 2, contact_address="+200", merged_into=numbered(1))
    assert await addresses(owner, 1) == ["+100"]
    assert await addresses(owner, 2) == ["+200"]
