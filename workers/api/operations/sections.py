"""How many conversations each section has."""

from db.sections import SectionCounts, count_sections
from workers.api.operation import Call, Operation
from workers.api.service import Api


async def read_sections(api: Api, call: Call) -> SectionCounts:
    """Returns how many conversations each section of the caller has."""
    async with api.pool.acquire() as connection:
        return await count_sections(connection, call.caller.account_id, call.caller.user_id)


OPERATIONS = (
    Operation(
        name="readSections",
        method="GET",
        address="/sections",
        summary="How many conversations each section has, counted to 100 at most.",
        handle=read_sections,
        answers={200: SectionCounts},
    ),
)
