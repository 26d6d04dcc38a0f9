-- name: lock_conversations
-- The conversations of a batch, locked in the order of their key so that batches never deadlock.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at
FROM inbox.conversations AS c
WHERE (c.account_id, c.conversation_id) IN (
    SELECT k.account_id, k.conversation_id
    FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
)
ORDER BY c.account_id, c.conversation_id
FOR UPDATE

-- name: insert_conversations
-- New conversations. One that another batch made meanwhile is a unique violation: try again.
INSERT INTO inbox.conversations (
    account_id, conversation_id, channel_id, contact_address, contact_name, status, assignee_id,
    version, message_count, last_message_at, last_inbound_at, closed_at
)
SELECT *
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::integer[], $9::integer[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[]
)

-- name: update_conversations
-- The conversations that a batch changed; their rows are locked since they were loaded.
UPDATE inbox.conversations AS c
SET contact_name = n.contact_name, status = n.status, assignee_id = n.assignee_id,
    version = n.version, message_count = n.message_count, last_message_at = n.last_message_at,
    last_inbound_at = n.last_inbound_at, closed_at = n.closed_at
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[]
) AS n (
    account_id, conversation_id, contact_name, status, assignee_id, version, message_count,
    last_message_at, last_inbound_at, closed_at
)
WHERE c.account_id = n.account_id AND c.conversation_id = n.conversation_id
