"""Fakes of the functions of `db` about users who are gone."""

from collections.abc import Collection, Iterable, Mapping

from db.directory import UserKey
from db.gone_assignees import FIRST, GoneAssignee
from domain.conversation import Conversation
from tests.simulation.postgres import Connection, Transaction


def _assignees(transaction: Transaction) -> list[UserKey]:
    """The users who have conversations, in the order of the index."""
    found = {
        (state.account_id, state.assignee_id)
        for state in transaction.rows("conversations").values()
        if state.assignee_id is not None
    }
    return sorted(found, key=lambda key: (key[1], key[0]))


async def _insert(transaction: Transaction, rows: Iterable[tuple[UserKey, str | None]]) -> None:
    for key, cause_id in rows:
        if transaction.get("gone_assignees", key) is None:
            await transaction.lock("gone_assignees", key)
            transaction.put("gone_assignees", key, GoneAssignee(key, cause_id))


async def _delete(transaction: Transaction, key: UserKey) -> None:
    if transaction.get("gone_assignees", key) is not None:
        await transaction.lock("gone_assignees", key)
        transaction.remove("gone_assignees", key)


async def record_gone_assignees(
    connection: Connection, causes: Mapping[UserKey, str | None]
) -> None:
    if causes:
        transaction = await connection.statement("record gone assignees")
        known = [key for key in _assignees(transaction) if key in causes]
        await _insert(transaction, [(key, causes[key]) for key in known])


async def forget_gone_assignees(connection: Connection, keys: Collection[UserKey]) -> None:
    if keys:
        transaction = await connection.statement("forget gone assignees")
        for key in sorted(keys):
            await _delete(transaction, key)


async def find_gone_assignees(
    connection: Connection, after: UserKey, assignees_max: int
) -> UserKey:
    transaction = await connection.statement("find gone assignees")
    later = [key for key in _assignees(transaction) if key[::-1] > after[::-1]][:assignees_max]
    users = transaction.rows("users")
    gone = [key for key in later if key not in users or not users[key].inbox_access]
    if any(transaction.get("gone_assignees", key) is None for key in gone):
        connection.met("a gone assignee who was not recorded")
    try:
        await _insert(transaction, [(key, None) for key in gone])
        transaction.commit()
    finally:
        if transaction.is_open:
            transaction.end()
    return later[-1] if len(later) == assignees_max else FIRST


async def next_gone_assignee(connection: Connection, after: UserKey) -> GoneAssignee | None:
    transaction = await connection.statement("find the next gone assignee")
    rows = transaction.rows("gone_assignees")
    return next((rows[key] for key in sorted(rows) if key > after), None)


async def lock_conversations_of_assignee(
    connection: Connection, key: UserKey, conversations_max: int
) -> list[Conversation]:
    transaction = await connection.statement("lock conversations of an assignee")
    found: list[Conversation] = []
    for place, state in sorted(transaction.rows("conversations").items()):
        is_theirs = (state.account_id, state.assignee_id) == key
        if is_theirs and len(found) < conversations_max:
            if transaction.try_lock("conversations", place):
                found.append(state)
            else:
                connection.met("a conversation of a gone assignee that was locked")
    return found


async def forget_done_assignee(connection: Connection, key: UserKey) -> None:
    transaction = await connection.statement("forget a gone assignee")
    if key not in _assignees(transaction):
        await _delete(transaction, key)
