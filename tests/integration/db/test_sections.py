"""The pages of the sections, in order and whole, and how many conversations they have."""

from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from db.sections import NEWEST, Place, count_sections, page_of_section
from domain.conversation import Section
from schemas.fields import UserId
from tests.harness.input_events import ACCOUNT
from tests.harness.stored_conversations import NOON, numbered, store_conversation

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ANA = UserId("ana")

COLUMNS: dict[Section, dict[str, Any]] = {
    "unassigned": {},
    "assigned_to_me": {"assignee_id": "ana"},
    "assigned_to_others": {"assignee_id": "bo"},
    "closed": {"status": "closed", "assignee_id": "ana"},
}
SECTIONS = list(COLUMNS)


async def pages(owner: Owner, section: Section, count: int) -> list[list[str]]:
    """Returns the ids of all pages of a section of ana."""
    found: list[list[str]] = []
    after = NEWEST
    while page := await page_of_section(owner, ACCOUNT, ANA, section, after=after, count=count):
        found.append([str(each.conversation_id) for each in page])
        after = page[-1]
    return found


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("count", [1, 3, 100])
async def test_the_pages_of_a_section_are_in_order_and_leave_nothing_out(
    owner: Owner, section: Section, count: int
) -> None:
    for other in SECTIONS:
        await store_conversation(owner, 900 + SECTIONS.index(other), **COLUMNS[other])
    await store_conversation(owner, 999, account_id="other", **COLUMNS[section])
    # Five slots; in one of them many rows, some of which were active at the same moment.
    seconds = [0, 10, 10, 10, 11, 12, 12, 899, 900, 901, 5000, 5000, 9000, 90_000]
    for number, after in enumerate(seconds, start=1):
        at = NOON - timedelta(seconds=after)
        await store_conversation(owner, number, last_message_at=at, **COLUMNS[section])
    own = numbered(900 + SECTIONS.index(section))
    expected = sorted(
        ((-after, number) for number, after in enumerate(seconds, start=1)), reverse=True
    )
    found = await pages(owner, section, count)
    assert [each for page in found for each in page] == [
        own,
        *(numbered(number) for _, number in expected),
    ]
    assert {len(page) for page in found[:-1]} <= {count}


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_what_is_assigned_to_others_is_merged_from_all_of_them(
    owner: Owner, count: int
) -> None:
    for number in range(1, 41):
        assignee = ["ana", "bo", "cy", "dan", "bo"][number % 5]
        at = NOON + timedelta(minutes=number % 13, hours=number % 3)
        await store_conversation(owner, number, assignee_id=assignee, last_message_at=at)
    rows = await owner.fetch(
        "SELECT conversation_id::text FROM inbox.conversations WHERE assignee_id <> 'ana'"
        " ORDER BY last_message_at DESC, conversation_id DESC"
    )
    found = await pages(owner, "assigned_to_others", count)
    assert [each for page in found for each in page] == [row[0] for row in rows]


async def test_a_conversation_without_messages_counts_from_when_it_was_made(owner: Owner) -> None:
    await store_conversation(owner, 1, last_message_at=None)
    [place] = await page_of_section(owner, ACCOUNT, ANA, "unassigned", after=NEWEST, count=9)
    assert place == Place(NOON, UUID(numbered(1)))


async def test_sections_are_counted_to_a_hundred(owner: Owner) -> None:
    empty = await count_sections(owner, ACCOUNT, ANA)
    assert (empty.closed.count, empty.closed.more) == (0, False)
    for number in range(1, 101):
        await store_conversation(owner, number, assignee_id="bo" if number % 2 else "cy")
    await store_conversation(owner, 101, assignee_id="ana")
    await store_conversation(owner, 102, status="closed", account_id="other")
    full = await count_sections(owner, ACCOUNT, ANA)
    assert (full.assigned_to_others.count, full.assigned_to_others.more) == (100, False)
    assert (full.assigned_to_me.count, full.unassigned.count, full.closed.count) == (1, 0, 0)
    await store_conversation(owner, 103, assignee_id="bo")
    more = await count_sections(owner, ACCOUNT, ANA)
    assert (more.assigned_to_others.count, more.assigned_to_others.more) == (100, True)
