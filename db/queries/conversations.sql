-- name: lock_conversations
-- The conversations of a batch, locked in the order of their keys, so that batches never deadlock.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM inbox.conversations AS c
WHERE (c.account_id, c.conversation_id) IN (
    SELECT k.account_id, k.conversation_id
    FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
)
ORDER BY c.account_id, c.conversation_id
FOR UPDATE

-- name: has_conversation
-- Whether an account has a conversation.
SELECT EXISTS (
    SELECT FROM inbox.conversations WHERE account_id = $1 AND conversation_id = $2::uuid
)

-- name: insert_conversations
-- New conversations. If another batch inserted one meanwhile, it is a unique violation: try again.
INSERT INTO inbox.conversations (
    account_id, conversation_id, channel_id, contact_address, contact_name, status, assignee_id,
    version, message_count, last_message_at, last_inbound_at, closed_at, link_count, erased_until,
    window_until, window_watched, last_direction, merged_into, created_at
)
SELECT *
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::integer[], $9::integer[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
    $13::integer[], $14::timestamptz[], $15::timestamptz[], $16::boolean[], $17::text[],
    $18::uuid[], $19::timestamptz[]
)

-- name: update_conversations
-- The conversations that a batch changed; their rows have been locked since they were loaded.
UPDATE inbox.conversations AS c
SET contact_name = n.contact_name, status = n.status, assignee_id = n.assignee_id,
    version = n.version, message_count = n.message_count, last_message_at = n.last_message_at,
    last_inbound_at = n.last_inbound_at, closed_at = n.closed_at,
    link_count = n.link_count, window_until = n.window_until, window_watched = n.window_watched,
    last_direction = n.last_direction, merged_into = n.merged_into
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::integer[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::integer[], $12::timestamptz[],
    $13::boolean[], $14::text[], $15::uuid[]
) AS n (
    account_id, conversation_id, contact_name, status, assignee_id, version, message_count,
    last_message_at, last_inbound_at, closed_at, link_count, window_until, window_watched,
    last_direction, merged_into
)
WHERE c.account_id = n.account_id AND c.conversation_id = n.conversation_id

-- name: delete_conversations
-- Delete conversations for good, with everything that belongs to them; their rows are locked. The
-- other addresses that led to them get tombstones too.
WITH gone AS (
    SELECT account_id, conversation_id, deleted_at, deleted_by
    FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[])
        AS k (account_id, conversation_id, deleted_at, deleted_by)
), identities AS (
    DELETE FROM inbox.identities AS i USING gone AS g
    WHERE i.account_id = g.account_id AND i.conversation_id = g.conversation_id
    RETURNING i.account_id, i.alias_id, g.deleted_at, g.deleted_by
), alias_tombstones AS (
    INSERT INTO inbox.tombstones (account_id, conversation_id, deleted_at, deleted_by, version)
    SELECT account_id, alias_id, deleted_at, deleted_by, 0 FROM identities
    ON CONFLICT (account_id, conversation_id) DO UPDATE
    SET deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
), links AS (
    DELETE FROM inbox.links AS l USING gone AS g
    WHERE l.account_id = g.account_id AND l.conversation_id = g.conversation_id
), requests AS (
    DELETE FROM inbox.entity_requests AS r USING gone AS g
    WHERE r.account_id = g.account_id AND r.conversation_id = g.conversation_id
), sends AS (
    DELETE FROM inbox.sends AS s USING gone AS g
    WHERE s.account_id = g.account_id AND s.conversation_id = g.conversation_id
), windows AS (
    DELETE FROM inbox.windows AS w USING gone AS g
    WHERE w.account_id = g.account_id AND w.conversation_id = g.conversation_id
), history AS (
    DELETE FROM inbox.history AS h USING gone AS g
    WHERE h.account_id = g.account_id AND h.conversation_id = g.conversation_id
), seen AS (
    DELETE FROM inbox.seen AS s USING gone AS g
    WHERE s.account_id = g.account_id AND s.conversation_id = g.conversation_id
), messages AS (
    DELETE FROM inbox.messages AS m USING gone AS g
    WHERE m.account_id = g.account_id AND m.conversation_id = g.conversation_id
    RETURNING m.account_id, m.message_id, g.deleted_at
), deleted_ids AS (
    INSERT INTO inbox.deleted_messages (account_id, message_id, deleted_at)
    SELECT account_id, message_id, deleted_at FROM messages
    ON CONFLICT (account_id, message_id) DO UPDATE SET deleted_at = excluded.deleted_at
)
DELETE FROM inbox.conversations AS c USING gone AS g
WHERE c.account_id = g.account_id AND c.conversation_id = g.conversation_id

-- name: save_tombstones
-- The tombstones of deleted conversations; the newest one, if a conversation is deleted again.
INSERT INTO inbox.tombstones (account_id, conversation_id, deleted_at, deleted_by, version)
SELECT *
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::integer[])
ON CONFLICT (account_id, conversation_id) DO UPDATE
SET deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by,
    version = excluded.version

-- name: load_tombstones
-- The tombstones of conversations that do not exist.
SELECT t.account_id, t.conversation_id::text, t.deleted_at, t.deleted_by, t.version
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
JOIN inbox.tombstones AS t USING (account_id, conversation_id)
