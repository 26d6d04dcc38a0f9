"""The history of a conversation: who assigned, closed, reopened and linked it, and why."""

from datetime import datetime

from msgspec import Struct

from db.history_pages import NEWEST_VERSION, StoredChange, history_page
from schemas.fields import ConversationId, Version
from schemas.links import Entity
from workers.api.cursor import read_cursor, write_cursor
from workers.api.operation import Call, Operation
from workers.api.operations.messages import PageQuery
from workers.api.problem import not_found
from workers.api.service import Api
from workers.api.shapes import ConversationPath, UserName


class ChangePlace(Struct, frozen=True, array_like=True):
    """The place of a change in the history."""

    version: Version


class Change(Struct, frozen=True, kw_only=True):
    """A change of a conversation."""

    version: int
    """The version that the change made."""
    type: str
    """assigned, unassigned, closed, reopened, linked or unlinked."""
    at: datetime
    actor: UserName | None
    """The user who did it; null if the contact or the system did."""
    reason: str
    assignee: UserName | None
    """The assignee from then on."""
    entity: Entity | None
    """What was linked or unlinked."""


class History(Struct, frozen=True, kw_only=True):
    """A page of the history, newest first."""

    items: list[Change]
    before: str | None
    """The cursor of what is older; null if nothing is."""


def _user(user_id: str | None, name: str | None) -> UserName | None:
    return UserName(user_id=user_id, name=name) if user_id is not None else None


def shown_change(change: StoredChange) -> Change:
    """Returns a change as the API answers it."""
    return Change(
        version=change.version,
        type=change.type,
        at=change.at,
        actor=_user(change.actor_id, change.actor_name),
        reason=change.reason,
        assignee=_user(change.assignee_id, change.assignee_name),
        entity=change.entity,
    )


async def list_history(api: Api, call: Call) -> History:
    """Returns the newest changes of a conversation, or those before a cursor."""
    before = read_cursor(call.query.before, ChangePlace) or ChangePlace(NEWEST_VERSION)
    limit = call.query.limit
    conversation_id = ConversationId(str(call.path.id))
    async with api.pool.acquire() as connection:
        found = await history_page(
            connection, call.caller.account_id, conversation_id, before.version, limit + 1
        )
    if found is None:
        raise not_found()
    items = found[:limit]
    return History(
        items=[shown_change(each) for each in items],
        before=write_cursor(ChangePlace(items[-1].version)) if len(found) > limit else None,
    )


OPERATIONS = (
    Operation(
        name="listHistory",
        method="GET",
        address="/conversations/{id}/history",
        summary="Who assigned, closed, reopened and linked a conversation, when and why.",
        handle=list_history,
        path=ConversationPath,
        query=PageQuery,
        answers={200: History},
    ),
)
"""What the API does with the history of conversations."""
