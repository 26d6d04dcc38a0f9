"""The entities of the CRM: what a conversation can be linked to."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.links import EntityType
from workers.api.entity_search import FoundEntity
from workers.api.operation import Call, Operation
from workers.api.service import Api


class EntitiesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to search for."""

    type: EntityType
    q: Annotated[str, Meta(min_length=1, max_length=200)]


async def find_entities(api: Api, call: Call) -> list[FoundEntity]:
    """Returns what the CRM finds, at most 50. Raises Problem."""
    return await api.entities.find(call.caller.account_id, call.query.type, call.query.q)


OPERATIONS = (
    Operation(
        name="findEntities",
        method="GET",
        address="/entities",
        summary="Persons, leads or deals of the CRM.",
        handle=find_entities,
        query=EntitiesQuery,
        answers={200: list[FoundEntity]},
        codes=("not_found",),
    ),
)
"""What the API does with entities of the CRM."""
