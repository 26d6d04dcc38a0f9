-- name: insert_history
-- What a batch adds to the history; the rows of the conversations are locked.
INSERT INTO inbox.history (
    account_id, conversation_id, version, type, at, actor_id, reason, assignee_id, entity_type,
    entity_id
)
SELECT *
FROM unnest(
    $1::text[], $2::uuid[], $3::integer[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[]
)

-- name: insert_missing_history
-- Those entries that the history lacks; the rows of the conversations are locked.
INSERT INTO inbox.history (
    account_id, conversation_id, version, type, at, actor_id, reason, assignee_id, entity_type,
    entity_id
)
SELECT *
FROM unnest(
    $1::text[], $2::uuid[], $3::integer[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[]
)
ON CONFLICT (account_id, conversation_id, version) DO NOTHING

-- name: delete_history
-- Delete entries of conversations that were deleted since.
DELETE FROM inbox.history AS h
USING unnest($1::text[], $2::uuid[], $3::integer[]) AS k (account_id, conversation_id, version)
WHERE h.account_id = k.account_id AND h.conversation_id = k.conversation_id
  AND h.version = k.version
