-- name: conversations_by_id
-- Some conversations, without a lock.
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
JOIN inbox.conversations AS c USING (account_id, conversation_id)

-- name: conversations_of_contact
-- A contact's conversations in an account: those with the addresses, those to which they lead, and all
-- that were merged with one of them, in either direction. It reads all conversations of the account,
-- by the first column of the key: it runs too seldom to be worth an index, which would cost every
-- new conversation.
WITH RECURSIVE merged AS MATERIALIZED (
    SELECT conversation_id, merged_into
    FROM inbox.conversations
    WHERE account_id = $1 AND merged_into IS NOT NULL
), found AS (
    SELECT conversation_id
    FROM inbox.conversations
    WHERE account_id = $1 AND contact_address = ANY ($2::text[])
    UNION
    SELECT conversation_id
    FROM inbox.identities
    WHERE account_id = $1 AND address = ANY ($2::text[])
    UNION
    SELECT CASE f.conversation_id
        WHEN m.conversation_id THEN m.merged_into ELSE m.conversation_id
    END
    FROM found AS f
    JOIN merged AS m ON f.conversation_id IN (m.conversation_id, m.merged_into)
)
SELECT c.account_id, c.conversation_id::text, c.channel_id, c.contact_address, c.contact_name,
       c.status, c.assignee_id, c.version, c.message_count, c.last_message_at,
       c.last_inbound_at, c.closed_at, c.link_count, c.erased_until, c.window_until,
       c.window_watched, c.last_direction, c.merged_into::text, c.created_at
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.conversation_id IN (SELECT conversation_id FROM found)
ORDER BY c.channel_id, c.created_at

-- name: addresses_like
-- The addresses of contacts in an account that a person may mean: those written so, with a prefix or
-- without, and those with a number that has the same last digits. The same number comes first. It
-- reads all conversations of the account, as the query above does.
WITH known AS (
    SELECT contact_address AS address FROM inbox.conversations WHERE account_id = $1
    UNION
    SELECT address FROM inbox.identities WHERE account_id = $1
), numbers AS (
    SELECT address, regexp_replace(address, '[^0-9]', '', 'g') AS digits FROM known
)
SELECT address
FROM numbers
WHERE address = $2
   OR lower(substr(address, position(':' IN address) + 1)) = lower($3)
   OR ($5 <> '' AND right(digits, length($5)) = $5)
ORDER BY address <> $2, digits <> $4, address
LIMIT $6

-- name: knows_account
-- Whether there is anything of an account: a user, a channel, a conversation, or one that was deleted.
SELECT EXISTS (SELECT FROM inbox.users WHERE account_id = $1)
    OR EXISTS (SELECT FROM inbox.channels WHERE account_id = $1)
    OR EXISTS (SELECT FROM inbox.conversations WHERE account_id = $1)
    OR EXISTS (SELECT FROM inbox.tombstones WHERE account_id = $1)

-- name: count_messages
-- How many messages some conversations have together.
SELECT count(*) FROM inbox.messages WHERE conversation_id = ANY ($1::uuid[])
