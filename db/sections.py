"""The conversations of each section of a user, newest activity first, and how many there are."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.conversation import Section
from schemas.fields import AccountId, UserId

COUNTED_MAX = 100
"""A section is counted so far and no further: nobody reads a larger number, and it would cost."""


class Place(NamedTuple):
    """A conversation's place in a list: in the order of the last message, then of the id."""

    active_at: datetime
    """When its last message was sent."""
    conversation_id: UUID


NEWEST = Place(datetime(9999, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before every conversation: no message is so late."""


class SectionCount(Struct, frozen=True, kw_only=True):
    """How many conversations a section has."""

    count: int
    """At most 100."""
    more: bool
    """Whether there are more."""


class SectionCounts(Struct, frozen=True, kw_only=True):
    """How many conversations each section of a user has."""

    unassigned: SectionCount
    assigned_to_me: SectionCount
    assigned_to_others: SectionCount
    closed: SectionCount


async def page_of_section(
    connection: AnyConnection,
    account_id: AccountId,
    user_id: UserId,
    section: Section,
    *,
    after: Place,
    count: int,
) -> list[Place]:
    """Returns the places of the next conversations of a user's section, at most so many."""
    arguments = [account_id, *after, count]
    if section in ("assigned_to_me", "assigned_to_others"):
        arguments.append(user_id)
    rows = await connection.fetch(QUERIES[f"page_of_{section}"], *arguments)
    return [Place(*row) for row in rows]


async def count_sections(
    connection: AnyConnection, account_id: AccountId, user_id: UserId
) -> SectionCounts:
    """Returns how many conversations each section of a user has."""
    query = QUERIES["count_sections"]
    row = await connection.fetchrow(query, account_id, user_id, COUNTED_MAX + 1)
    assert row is not None
    return SectionCounts(**{name: _counted(found) for name, found in row.items()})


def _counted(found: int) -> SectionCount:
    return SectionCount(count=min(found, COUNTED_MAX), more=found > COUNTED_MAX)
