-- name: record_gone_assignees
-- Users who were removed or lost inbox access, if a conversation is assigned to them. In the order
-- of the index of assignees, as find_gone_assignees inserts them, so that the two never deadlock.
INSERT INTO inbox.gone_assignees (account_id, user_id, cause_id)
SELECT k.account_id, k.user_id, k.cause_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (account_id, user_id, cause_id)
WHERE EXISTS (
    SELECT FROM inbox.conversations AS c
    WHERE c.assignee_id = k.user_id AND c.account_id = k.account_id
)
ORDER BY k.user_id, k.account_id
ON CONFLICT (account_id, user_id) DO NOTHING

-- name: forget_gone_assignees
-- Users who are there after all: what is still assigned to them stays theirs.
DELETE FROM inbox.gone_assignees AS g
USING unnest($1::text[], $2::text[]) AS k (account_id, user_id)
WHERE g.account_id = k.account_id AND g.user_id = k.user_id

-- name: find_gone_assignees
-- Look at the next $3 assignees after user $2 of account $1, and record those who are gone. Each
-- step searches the index once, however many conversations an assignee has. Returns the number of
-- the last step, and the assignee that it found.
WITH RECURSIVE assignees (number, account_id, user_id) AS (
    SELECT 0, $1::text, $2::text
    UNION ALL
    SELECT a.number + 1, n.account_id, n.assignee_id
    FROM assignees AS a
    CROSS JOIN LATERAL (
        SELECT c.account_id, c.assignee_id
        FROM inbox.conversations AS c
        WHERE c.assignee_id IS NOT NULL
          AND (c.assignee_id, c.account_id) > (a.user_id, a.account_id)
        ORDER BY c.assignee_id, c.account_id
        LIMIT 1
    ) AS n
    WHERE a.number < $3
), recorded AS (
    INSERT INTO inbox.gone_assignees (account_id, user_id)
    SELECT a.account_id, a.user_id
    FROM assignees AS a
    LEFT JOIN inbox.users AS u USING (account_id, user_id)
    WHERE a.number > 0 AND u.inbox_access IS NOT TRUE
    ORDER BY a.number
    ON CONFLICT (account_id, user_id) DO NOTHING
)
SELECT number, account_id, user_id FROM assignees ORDER BY number DESC LIMIT 1

-- name: next_gone_assignee
-- The next user after user $2 of account $1 who is gone.
SELECT account_id, user_id, cause_id
FROM inbox.gone_assignees
WHERE (account_id, user_id) > ($1, $2)
ORDER BY account_id, user_id
LIMIT 1

-- name: lock_conversations_of_assignee
-- Up to $3 conversations of an assignee, locked. Those that another transaction has locked are
-- skipped until the next time, so that no order of locks is needed.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.assignee_id = $2
LIMIT $3
FOR UPDATE SKIP LOCKED

-- name: forget_done_assignee
-- Forget a user who is gone, if no conversation is assigned to them any more.
DELETE FROM inbox.gone_assignees AS g
WHERE g.account_id = $1 AND g.user_id = $2
  AND NOT EXISTS (
      SELECT FROM inbox.conversations AS c
      WHERE c.assignee_id = g.user_id AND c.account_id = g.account_id
  )
