-- name: recorded_messages
-- Which messages of a batch are recorded already.
SELECT m.account_id, m.message_id::text
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, message_id)
JOIN inbox.messages AS m USING (account_id, message_id)
