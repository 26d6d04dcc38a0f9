-- name: recorded_messages
-- Which messages of a batch were recorded before, or deleted lately; $3 is the direction.
SELECT m.account_id, m.message_id::text
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, message_id)
JOIN inbox.messages AS m USING (account_id, message_id)
WHERE m.direction = $3
UNION ALL
SELECT d.account_id, d.message_id::text
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, message_id)
JOIN inbox.deleted_messages AS d USING (account_id, message_id)

-- name: prune_deleted_messages
-- Delete the ids of up to $2 messages that were deleted before $1.
DELETE FROM inbox.deleted_messages
WHERE (account_id, message_id) IN (
    SELECT account_id, message_id FROM inbox.deleted_messages
    WHERE deleted_at < $1
    ORDER BY deleted_at
    LIMIT $2
)

-- name: latest_messages
-- The latest $3 messages of each of some conversations, in order of time.
SELECT k.account_id, k.conversation_id::text, m.channel_id, m.message_id::text, m.direction, m.sender_name,
       m.sender_address, m.body, m.media, m.sent_at, m.context
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
CROSS JOIN LATERAL (
    SELECT * FROM inbox.messages AS newest
    WHERE newest.conversation_id = k.conversation_id AND newest.account_id = k.account_id
    ORDER BY newest.sent_at DESC, newest.version DESC
    LIMIT $3
) AS m
ORDER BY m.sent_at, m.version

-- name: answered_messages
-- The messages that have some of the provider's ids, each with its first $5 characters: a contact's
-- has the derived id $4; of a reply, the part that has the provider's id.
SELECT k.account_id, k.channel_id, k.provider_message_id, m.conversation_id::text,
       left(m.body, $5) AS words
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[])
     AS k (account_id, channel_id, provider_message_id, message_id)
JOIN inbox.messages AS m USING (account_id, message_id)
UNION ALL
SELECT k.account_id, k.channel_id, k.provider_message_id, s.conversation_id::text, left(s.body, $5)
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (account_id, channel_id, provider_message_id)
JOIN inbox.sends AS s USING (account_id, provider_message_id)
