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
