"""Fills the tables with what years would have left in them, past the workers.

Rows are such as the workers write, in the tables as the migrations made them, every index in place
while they come in, so that indexes are as full as random keys leave them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from bench.load.load import ACCOUNT, BODY, CHANNEL
from db.connect import AnyConnection
from schemas.ids import conversation_id

MESSAGES_EACH = 4
"""Stored messages of each stored conversation."""


def stored_contact(number: int) -> str:
    """The address of a stored conversation's contact."""
    return f"whatsapp:+41{number:010d}"


async def store(connection: AnyConnection, messages: int) -> None:
    """Have so many messages stored, and nothing else, as the owner of the tables.

    They are vacuumed and the planner knows of them: in years that would have happened, and it is
    not to happen while something is measured.
    """
    await connection.execute(
        "TRUNCATE inbox.messages, inbox.conversations, inbox.windows, inbox.identities"
    )
    await connection.execute("SET synchronous_commit = off")
    await _store_conversations(connection, messages // MESSAGES_EACH)
    await connection.execute(_MESSAGES, MESSAGES_EACH, BODY)
    await connection.execute("VACUUM (ANALYZE) inbox.messages, inbox.conversations, inbox.windows")


# Their ids are as random as those that follow from a provider's id.
_MESSAGES = """
INSERT INTO inbox.messages (
    account_id, conversation_id, message_id, channel_id, provider_message_id, direction,
    sender_name, sender_address, body, media, sent_at, historical, recorded_at, version
)
SELECT c.account_id, c.conversation_id, md5(c.conversation_id::text || n)::uuid, c.channel_id,
       'OLD' || md5(c.contact_address || n), 'inbound', c.contact_name, c.contact_address, $2,
       '[]'::jsonb, c.created_at + n * interval '1 hour', false,
       c.created_at + n * interval '1 hour', 1 + n
FROM inbox.conversations AS c
CROSS JOIN generate_series(1, $1::integer) AS n
"""

_COLUMNS = (
    "account_id",
    "conversation_id",
    "channel_id",
    "contact_address",
    "contact_name",
    "status",
    "version",
    "message_count",
    "last_message_at",
    "last_inbound_at",
    "created_at",
    "window_until",
    "last_direction",
)


async def _store_conversations(connection: AnyConnection, conversations: int) -> None:
    await connection.copy_records_to_table(
        "conversations",
        schema_name="inbox",
        columns=_COLUMNS,
        records=_conversations(conversations),
    )


def _conversations(conversations: int) -> Iterator[tuple[object, ...]]:
    created_at = datetime.now(UTC) - timedelta(days=30)
    newest_at = created_at + timedelta(hours=MESSAGES_EACH)
    window_until = newest_at + timedelta(days=1)
    key = conversation_id.__wrapped__  # so many ids would only wear its cache out
    for number in range(conversations):
        address = stored_contact(number)
        yield (
            ACCOUNT,
            key(ACCOUNT, CHANNEL, address),
            CHANNEL,
            address,
            "Ana Müller",
            "open",
            1 + MESSAGES_EACH,
            MESSAGES_EACH,
            newest_at,
            newest_at,
            created_at,
            window_until,
            "inbound",
        )


async def employ(connection: AnyConnection, users: int, told: Iterable[int]) -> None:
    """Give the account so many users, of whom those with these numbers are told of everything."""
    async with connection.transaction():
        await connection.execute("DELETE FROM inbox.users WHERE account_id = $1", ACCOUNT)
        await connection.execute(_USERS, ACCOUNT, users, list(told))
        await connection.execute(
            """
            INSERT INTO inbox.accounts AS a (account_id, directory_version) VALUES ($1, 1)
            ON CONFLICT (account_id) DO UPDATE SET directory_version = a.directory_version + 1
            """,
            ACCOUNT,
        )


_USERS = """
INSERT INTO inbox.users (account_id, user_id, name, email, inbox_access, available, settings)
SELECT $1, 'user-' || n, 'User ' || n, 'user-' || n || '@example.com', true, true,
       jsonb_build_object(
           'assigned_to_me', medium, 'assigned_to_others', medium,
           'unassigned', medium, 'assignment', medium
       )
FROM generate_series(1, $2::integer) AS n
CROSS JOIN LATERAL (
    SELECT jsonb_build_object('desktop', n = ANY ($3::integer[]), 'email', false) AS medium
) AS chosen
"""
