"""Fills the tables with what the API lists: an account with many conversations, and one long one.

The rows are like those that workers write. The conversations were active at random moments of half
a year. Two fifths are closed, one fifth is unassigned, one fifth is assigned to ana, and one fifth
to others, to a few of them most.
"""

from typing import NamedTuple

from bench.load.input_events import ACCOUNT, BODY, CHANNEL, INSTALLER
from db.connect import AnyConnection

ASSIGNEES = 50
"""Users of the account, `ana` aside."""


class Listed(NamedTuple):
    """What was written."""

    long_one: str
    """The id of the conversation with many messages."""


async def store_listed(
    connection: AnyConnection, conversations: int, messages_of_one: int
) -> Listed:
    """Write so many conversations of two messages, and one of so many, as the tables' owner."""
    await connection.execute("SET synchronous_commit = off")
    await connection.execute(_USERS, ACCOUNT, INSTALLER, ASSIGNEES)
    await connection.execute(_CHANNEL, ACCOUNT, CHANNEL, INSTALLER)
    await connection.execute(_CONVERSATIONS, ACCOUNT, CHANNEL, INSTALLER, ASSIGNEES, conversations)
    long_one = await connection.fetchval(_LONG_ONE, ACCOUNT, messages_of_one)
    await connection.execute(_MESSAGES, ACCOUNT, BODY)
    for table in ("conversations", "messages"):
        await connection.execute(f"VACUUM (ANALYZE) inbox.{table}")
    return Listed(str(long_one))


_USERS = """
INSERT INTO inbox.users (account_id, user_id, name, email, inbox_access, available, settings)
SELECT $1, user_id, initcap(user_id), user_id || '@example.com', true, true, '{}'
FROM (
    SELECT $2 AS user_id
    UNION ALL
    SELECT 'user-' || n FROM generate_series(1, $3::integer) AS n
) AS named
"""

_CHANNEL = """
INSERT INTO inbox.channels (
    account_id, channel_id, provider, address, name, installed_by, removed, installed_at
) VALUES ($1, $2, 'whatsapp', 'whatsapp:+14155238886', 'Sales', $3, false, now())
"""

_CONVERSATIONS = """
INSERT INTO inbox.conversations (
    account_id, conversation_id, channel_id, contact_address, contact_name, status, assignee_id,
    version, message_count, last_message_at, last_inbound_at, closed_at, created_at, last_direction
)
SELECT $1, md5('conversation' || n)::uuid, $2,
       'whatsapp:+' || (490000000000 + n::bigint * 7919 % 10000000000),
       (ARRAY['Ana', 'Maria', 'Bo', 'Jörg', 'Olena', 'Ivan', 'Petra', 'Li'])[1 + n % 8] || ' '
           || substr(md5('name' || n), 1, 6),
       CASE WHEN n % 10 < 4 THEN 'closed' ELSE 'open' END,
       CASE WHEN n % 10 < 6 THEN NULL
            WHEN n % 10 < 8 THEN $3
            ELSE 'user-' || (1 + floor($4::integer * power(random(), 2)))::integer END,
       3, 2, active.at, active.at, CASE WHEN n % 10 < 4 THEN active.at END,
       active.at - interval '1 hour', 'inbound'
FROM generate_series(1, $5::integer) AS n
CROSS JOIN LATERAL (SELECT now() - random() * interval '180 days' + n * interval '0') AS active (at)
"""

_LONG_ONE = """
UPDATE inbox.conversations
SET message_count = $2, version = 1 + $2
WHERE account_id = $1 AND conversation_id = md5('conversation1')::uuid
RETURNING conversation_id
"""

_MESSAGES = """
INSERT INTO inbox.messages (
    account_id, conversation_id, message_id, channel_id, provider_message_id, direction,
    sender_name, sender_address, body, media, sent_at, historical, recorded_at, version
)
SELECT c.account_id, c.conversation_id, md5(c.conversation_id::text || n)::uuid, c.channel_id,
       'SM' || md5(c.contact_address || n),
       CASE WHEN n % 2 = c.message_count % 2 THEN 'inbound' ELSE 'outbound' END,
       c.contact_name, c.contact_address, $2, '[]',
       c.last_message_at - (c.message_count - n) * interval '1 minute', false, c.last_message_at,
       1 + n
FROM inbox.conversations AS c
CROSS JOIN LATERAL generate_series(1, c.message_count) AS n
WHERE c.account_id = $1
"""
