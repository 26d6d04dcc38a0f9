"""Load and save the aliases: addresses without an own conversation, and where they lead.

An address has either an own conversation or an alias. Two batches may write both at once: one the
alias that leads B to A, the other one the own conversation of B. So a batch that writes an alias of
B first inserts the conversation B as a placeholder, together with its new conversations, and
deletes it again. Another batch that inserts the conversation B then waits at the primary key for
the end of the first one; after its insert it checks whether B has an alias by now. A batch without
aliases needs no lock for this.
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
    """Returns where those of `keys` lead that have an alias."""
    if not keys:
        return {}
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["load_identities"], accounts, ids)
    return {(row[0], row[1]): ConversationId(row[2]) for row in rows}


def placeholder(alias: Alias) -> Conversation:
    """Returns the conversation that is inserted and deleted in one transaction, never seen."""
    return Conversation(
        account_id=alias.account_id,
        conversation_id=alias.alias_id,
        channel_id=alias.channel_id,
        contact_address=alias.address,
        version=1,
        created_at=_NEVER_SEEN,
    )


async def check_identities(connection: AnyConnection, keys: Collection[ConversationKey]) -> None:
    """Check that new conversations, now written, have no aliases.

    Raises asyncpg's SerializationError, as Postgres does for a conflict: the batch is tried again.
    """
    if await load_identities(connection, keys):
        raise asyncpg.SerializationError("the address of a new conversation leads elsewhere by now")


async def save_identities(
    connection: AnyConnection,
    aliases: Iterable[Alias],
    ended: Mapping[ConversationKey, ConversationId],
) -> None:
    """Write new aliases, whose placeholders were inserted before; then move those of `ended`.

    `ended` holds conversations that ended, and for each the one that goes on: aliases of the former
    lead to the latter. Raises asyncpg's UniqueViolationError if another transaction wrote a new
    alias meanwhile.
    """
    if rows := sorted(map(_ALIAS, aliases)):
        await connection.execute(QUERIES["insert_identities"], *zip(*rows, strict=True))
    if rows := sorted((*key, goes_on) for key, goes_on in ended.items()):
        await connection.execute(QUERIES["move_identities"], *zip(*rows, strict=True))
