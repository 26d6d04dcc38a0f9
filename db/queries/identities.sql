-- name: load_identities
-- Where addresses without an own conversation lead.
SELECT i.account_id, i.alias_id::text, i.conversation_id::text
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, alias_id)
JOIN inbox.identities AS i USING (account_id, alias_id)

-- name: insert_identities
-- New aliases. If another batch inserted one meanwhile, it is a unique violation: try again.
INSERT INTO inbox.identities (account_id, alias_id, conversation_id, channel_id, address)
SELECT *
FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])

-- name: move_identities
-- Aliases of conversations that ended lead to those that go on; both are locked.
UPDATE inbox.identities AS i
SET conversation_id = k.conversation_id
FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS k (account_id, ended_id, conversation_id)
WHERE i.conversation_id = k.ended_id AND i.account_id = k.account_id

-- name: delete_placeholders
-- Delete the rows that were inserted only to block other inserts of these conversations.
DELETE FROM inbox.conversations AS c
USING unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
WHERE c.account_id = k.account_id AND c.conversation_id = k.conversation_id
