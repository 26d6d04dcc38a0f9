-- name: load_links
-- The links of some conversations, in the order of their keys.
SELECT l.account_id, l.conversation_id::text, l.entity_type, l.entity_id, l.linked_at,
       l.note_id::text, l.note_revision, l.note_starts_at, l.note_message_count,
       l.note_character_count, l.note_left_alone
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
JOIN inbox.links AS l USING (account_id, conversation_id)
ORDER BY l.account_id, l.conversation_id, l.entity_type, l.entity_id

-- name: insert_links
-- New links, each with its first note.
INSERT INTO inbox.links (
    account_id, conversation_id, entity_type, entity_id, linked_at, note_id, note_revision,
    note_starts_at, note_message_count, note_character_count, note_left_alone
)
SELECT *
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::integer[],
    $8::timestamptz[], $9::integer[], $10::integer[], $11::boolean[]
)

-- name: update_links
-- The links whose newest note changed, or that were made again; their conversations are locked.
UPDATE inbox.links AS l
SET linked_at = n.linked_at, note_id = n.note_id, note_revision = n.note_revision, note_starts_at = n.note_starts_at,
    note_message_count = n.note_message_count, note_character_count = n.note_character_count,
    note_left_alone = n.note_left_alone
FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::integer[],
    $8::timestamptz[], $9::integer[], $10::integer[], $11::boolean[]
) AS n (
    account_id, conversation_id, entity_type, entity_id, linked_at, note_id, note_revision,
    note_starts_at, note_message_count, note_character_count, note_left_alone
)
WHERE l.account_id = n.account_id AND l.conversation_id = n.conversation_id
  AND l.entity_type = n.entity_type AND l.entity_id = n.entity_id

-- name: delete_links
-- Delete removed links.
DELETE FROM inbox.links AS l
USING unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
    AS k (account_id, conversation_id, entity_type, entity_id)
WHERE l.account_id = k.account_id AND l.conversation_id = k.conversation_id
  AND l.entity_type = k.entity_type AND l.entity_id = k.entity_id

-- name: load_requests
-- Whether the requests in the commands of a batch are answered.
SELECT r.account_id, r.conversation_id::text, r.request_id, r.answered
FROM unnest($1::text[], $2::uuid[], $3::text[]) AS k (account_id, conversation_id, request_id)
JOIN inbox.entity_requests AS r USING (account_id, conversation_id, request_id)

-- name: save_requests
-- The requests that a batch created or answered.
INSERT INTO inbox.entity_requests (account_id, conversation_id, request_id, answered)
SELECT *
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::boolean[])
ON CONFLICT (account_id, conversation_id, request_id) DO UPDATE SET answered = excluded.answered
