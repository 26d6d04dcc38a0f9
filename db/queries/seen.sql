-- name: see_conversation
-- A user $3 has seen a conversation up to the version $4. It never goes back, and never beyond what
-- there is: then nothing is written. No row: there is no such conversation.
WITH found AS (
    SELECT c.account_id, c.conversation_id, c.version
    FROM inbox.conversations AS c
    WHERE c.account_id = $1 AND c.conversation_id = $2
), saved AS (
    INSERT INTO inbox.seen AS s (account_id, conversation_id, user_id, version)
    SELECT f.account_id, f.conversation_id, $3, $4 FROM found AS f
    WHERE $4 <= f.version
    ON CONFLICT (account_id, conversation_id, user_id) DO UPDATE
    SET version = greatest(s.version, excluded.version)
    RETURNING s.version
)
SELECT f.version, s.version AS seen FROM found AS f LEFT JOIN saved AS s ON true

-- name: sweep_seen
-- Of the next $4 rows behind a place ($1, $2, $3), delete those whose conversation or user is gone, but
-- for what another transaction holds. Returns the last place of the $4; no row: there were fewer.
WITH swept AS (
    SELECT s.account_id, s.conversation_id, s.user_id
    FROM inbox.seen AS s
    WHERE (s.account_id, s.conversation_id, s.user_id) > ($1::text, $2::uuid, $3::text)
    ORDER BY s.account_id, s.conversation_id, s.user_id
    LIMIT $4
), gone AS (
    SELECT s.account_id, s.conversation_id, s.user_id
    FROM swept AS w
    JOIN inbox.seen AS s USING (account_id, conversation_id, user_id)
    LEFT JOIN inbox.conversations AS c USING (account_id, conversation_id)
    LEFT JOIN inbox.users AS u USING (account_id, user_id)
    WHERE c.account_id IS NULL OR u.account_id IS NULL
    FOR UPDATE OF s SKIP LOCKED
), deleted AS (
    DELETE FROM inbox.seen AS s USING gone AS g
    WHERE s.account_id = g.account_id AND s.conversation_id = g.conversation_id
      AND s.user_id = g.user_id
)
SELECT w.account_id, w.conversation_id::text, w.user_id
FROM swept AS w
ORDER BY w.account_id, w.conversation_id, w.user_id
OFFSET $4::bigint - 1
