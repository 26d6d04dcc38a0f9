"""Load and save where the addresses of contacts lead that have no conversation of their own.

Such an address must not get one. Two batches may want both at once: one writes that B leads to A,
while the other makes B's conversation. So a batch claims B before it says where B leads: it makes
B's conversation, together with its other new ones, and removes it again. Whoever else makes B
waits for that batch's end, at the primary key. A batch that made a conversation then looks whether
its address leads elsewhere by now. Neither costs a batch without such addresses a lock.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from operator import attrgetter

import asyncpg

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.queries import QUERIES
from domain.conversation import Conversation
from domain.identities import Alias
from schemas.fields import ConversationId

_ALIAS = attrgetter(*Alias.__struct_fields__)
_NEVER_SEEN = datetime(1970, 1, 1, tzinfo=UTC)


async def load_identities(
    connection: AnyConnection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, ConversationId]:
    """Where those of `keys` lead that lead anywhere."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["load_identities"], accounts, ids)
    return {(row[0], row[1]): ConversationId(row[2]) for row in rows}


def claim(alias: Alias) -> Conversation:
    """What is made and removed with the new conversations of a batch, and nobody ever sees."""
    return Conversation(
        account_id=alias.account_id,
        conversation_id=alias.alias_id,
        channel_id=alias.channel_id,
        contact_address=alias.address,
        version=1,
        created_at=_NEVER_SEEN,
    )


async def check_identities(connection: AnyConnection, keys: Collection[ConversationKey]) -> None:
    """Make sure that new conversations, now written, have addresses that lead nowhere else.

    Raises asyncpg's SerializationError, as for whatever was overtaken: the batch is tried again.
    """
    if await load_identities(connection, keys):
        raise asyncpg.SerializationError("the address of a new conversation leads elsewhere by now")


async def save_identities(
    connection: AnyConnection,
    aliases: Iterable[Alias],
    ended: Mapping[ConversationKey, ConversationId],
) -> None:
    """Write new ones, whose addresses are claimed; then have what led to conversations that ended
    lead to those that go on in their place.

    A new one that another transaction made meanwhile is asyncpg's UniqueViolationError.
    """
    if rows := sorted(map(_ALIAS, aliases)):
        await connection.execute(QUERIES["insert_identities"], *zip(*rows, strict=True))
    if rows := sorted((*key, goes_on) for key, goes_on in ended.items()):
        await connection.execute(QUERIES["move_identities"], *zip(*rows, strict=True))
