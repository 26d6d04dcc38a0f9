"""The sections of all users of an account, counted at once, and those of each, counted alone."""

from db.account_sections import account_sections
from db.connect import connect
from db.sections import count_sections
from schemas.fields import AccountId, UserId
from tests.harness.inbox import Owner
from workers.settings import Settings

ACCOUNT = AccountId("acme")

_CONVERSATIONS = """
INSERT INTO inbox.conversations (
    account_id, conversation_id, channel_id, contact_address, status, assignee_id, version,
    message_count, link_count, window_watched, created_at, closed_at
)
SELECT $1, gen_random_uuid(), 'wa1', 'a' || n, $2::text, $3, 1, 1, 0, false, now(),
       CASE WHEN $2 = 'closed' THEN now() END
FROM generate_series(1, $4::integer) AS n
"""


async def test_each_user_has_the_same_counts_either_way(database: Settings, owner: Owner) -> None:
    for account, status, assignee, count in (
        ("acme", "open", None, 3),
        ("acme", "closed", None, 120),
        ("acme", "closed", "ana", 1),
        ("acme", "open", "ana", 101),
        ("acme", "open", "bo", 40),
        ("acme", "open", "cy", 60),
        ("other", "open", "ana", 7),
        ("other", "open", None, 7),
    ):
        await owner.execute(_CONVERSATIONS, account, status, assignee, count)
    assert database.api_database_url is not None
    connection = await connect(database.api_database_url, "test")
    try:
        counts = await account_sections(connection, ACCOUNT)
        for user in ("ana", "bo", "cy", "dee"):
            alone = await count_sections(connection, ACCOUNT, UserId(user))
            assert counts.seen_by(UserId(user)) == alone, user
        assert counts.seen_by(UserId("ana")).assigned_to_others.count == 100
    finally:
        await connection.close()
