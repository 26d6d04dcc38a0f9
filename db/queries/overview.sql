-- name: conversations_by_id
-- Some conversations as they are, without a lock.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
JOIN inbox.conversations AS c USING (account_id, conversation_id)

-- name: conversations_of_contact
-- A contact's conversations in an account. It reads all of the account's, by the key's beginning:
-- it is asked too seldom for an index of addresses, which every new conversation would pay for.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.contact_address = $2
ORDER BY c.channel_id

-- name: count_messages
-- How many messages some conversations have.
SELECT count(*) FROM inbox.messages WHERE conversation_id = ANY ($1::uuid[])
