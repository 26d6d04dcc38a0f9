"""Load, lock and save the conversations of a batch."""

from collections.abc import Collection, Iterable
from operator import attrgetter

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.conversation import Conversation
from schemas.fields import AccountId, ConversationId

ConversationKey = tuple[AccountId, ConversationId]

# The columns in conversations.sql stand in the order of the struct's fields.
_FIELDS = Conversation.__struct_fields__
_NEVER_UPDATED = ("channel_id", "contact_address")
_ALL = attrgetter(*_FIELDS)
_UPDATED = attrgetter(*(field for field in _FIELDS if field not in _NEVER_UPDATED))
_key = attrgetter("account_id", "conversation_id")


async def lock_conversations(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    """The conversations that exist, locked until the transaction ends."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["lock_conversations"], accounts, ids)
    return {(row[0], row[1]): Conversation(*row) for row in rows}


async def save_conversations(
    connection: AnyConnection, new: Iterable[Conversation], changed: Iterable[Conversation]
) -> None:
    """Write what a batch made and changed, each conversation once.

    A new one that another transaction made meanwhile is asyncpg's UniqueViolationError: the
    batch is to be tried again, and then finds it.
    """
    if rows := [_ALL(conversation) for conversation in sorted(new, key=_key)]:
        await connection.execute(QUERIES["insert_conversations"], *zip(*rows, strict=True))
    if rows := [_UPDATED(conversation) for conversation in sorted(changed, key=_key)]:
        await connection.execute(QUERIES["update_conversations"], *zip(*rows, strict=True))
