-- name: due_windows
-- Lock up to $1 conversations whose window is due to be checked, the longest due first. Those that
-- another transaction has locked are skipped until the next time. No order of locks is needed, since
-- the query never waits for one.
WITH due AS MATERIALIZED (
    SELECT account_id, conversation_id
    FROM inbox.windows
    WHERE check_at <= now()
    ORDER BY check_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
SELECT c.account_id, c.conversation_id::text
FROM due
JOIN inbox.conversations AS c USING (account_id, conversation_id)
FOR UPDATE OF c SKIP LOCKED

-- name: watch_windows
-- When to check the windows of locked conversations next.
INSERT INTO inbox.windows (account_id, conversation_id, check_at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[])
ON CONFLICT (account_id, conversation_id) DO UPDATE SET check_at = excluded.check_at

-- name: unwatch_windows
-- Stop watching the windows of locked conversations.
WITH ended AS (
    SELECT account_id, conversation_id
    FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
), windows AS (
    DELETE FROM inbox.windows AS w USING ended AS e
    WHERE w.account_id = e.account_id AND w.conversation_id = e.conversation_id
)
UPDATE inbox.conversations AS c SET window_watched = false
FROM ended AS e
WHERE c.account_id = e.account_id AND c.conversation_id = e.conversation_id

-- name: newest_of_contacts
-- The contact's newest message in each of some conversations: what its preview may show, which is
-- its first $3 characters, its files, and what it is about.
SELECT k.account_id, k.conversation_id::text, m.message_id::text, m.body, m.media, m.context
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
CROSS JOIN LATERAL (
    SELECT newest.message_id, left(newest.body, $3) AS body, newest.media, newest.context
    FROM inbox.messages AS newest
    WHERE newest.conversation_id = k.conversation_id AND newest.account_id = k.account_id
      AND newest.direction = 'inbound'
    ORDER BY newest.sent_at DESC, newest.version DESC
    LIMIT 1
) AS m
