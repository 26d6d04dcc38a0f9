"""Fills the tables with the messages of years, without workers.

The rows are like those that workers write. All indexes of the migrations exist while the rows come
in, so that the pages of the indexes are as full as random keys make them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from bench.load.input_events import ACCOUNT, BODY, CHANNEL
from db.connect import AnyConnection
from schemas.ids import conversation_id

MESSAGES_EACH = 4
"""How many messages each stored conversation has."""


def stored_contact(number: int) -> str:
    """Returns the address of a stored conversation's contact."""
    return f"whatsapp:+41{number:010d}"


async def store(connection: AnyConnection, messages: int) -> None:
    """Replace all messages and conversations by so many messages, as the owner of the tables.

    The tables are vacuumed and analysed afterwards: in years that would have happened by itself,
    and it must not happen during a measurement.
    """
    await connection.execute(
        "TRUNCATE inbox.messages, inbox.conversations, inbox.windows, inbox.identities"
    )
    await connection.execute("SET synchronous_commit = off")
    await _store_conversations(connection, messages // MESSAGES_EACH)
    await connection.execute(_MESSAGES, MESSAGES_EACH, BODY)
    await connection.execute("VACUUM (ANALYZE) inbox.messages, inbox.conversations, inbox.windows")


# The ids are as random as those that are derived from a provider's id.
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
    key = conversation_id.__wrapped__  # so many ids would only fill its cache
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


async def replace_users(connection: AnyConnection, users: int, notified: Iterable[int]) -> None:
    """Give the account so many users. Those with these numbers are notified of everything."""
    async with connection.transaction():
        await connection.execute("DELETE FROM inbox.users WHERE account_id = $1", ACCOUNT)
        await connection.execute(_USERS, ACCOUNT, users, list(notified))
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
