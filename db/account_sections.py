"""Counts the sections of all users of an account at once."""

from collections.abc import Mapping

from msgspec import Struct

from db.connect import AnyConnection
from db.queries import QUERIES
from db.sections import COUNTED_MAX, SectionCount, SectionCounts
from schemas.fields import AccountId, UserId


class AccountSections(Struct, frozen=True, kw_only=True):
    """How many conversations an account has in each section, each number counted to 101."""

    unassigned: int
    closed: int
    assigned: Mapping[str, int]
    """By assignee: those who have any."""

    def seen_by(self, user_id: UserId) -> SectionCounts:
        """Returns the sections as a user sees them."""
        mine = self.assigned.get(user_id, 0)
        return SectionCounts(
            unassigned=_count(self.unassigned),
            assigned_to_me=_count(mine),
            assigned_to_others=_count(sum(self.assigned.values()) - mine),
            closed=_count(self.closed),
        )


def _count(found: int) -> SectionCount:
    return SectionCount(count=min(found, COUNTED_MAX), more=found > COUNTED_MAX)


async def account_sections(connection: AnyConnection, account_id: AccountId) -> AccountSections:
    """Returns how many conversations the sections of an account have."""
    rows = await connection.fetch(QUERIES["account_sections"], account_id, COUNTED_MAX + 1)
    found = {(row["status"], row["assignee_id"]): row["found"] for row in rows}
    return AccountSections(
        unassigned=found.pop(("open", None)),
        closed=found.pop(("closed", None)),
        assigned={assignee_id: count for (_, assignee_id), count in found.items()},
    )
