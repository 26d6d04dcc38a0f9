-- name: insert_sends
-- The parts of replies that a batch recorded.
INSERT INTO inbox.sends (
    account_id, conversation_id, version, part, parts, message_id, command_id, channel_id,
    from_address, to_address, body, media_urls, content_sid, content_variables, state, attempts,
    created_at, due_at, posting_at, provider_message_id, status, error_code, told_uncertain,
    provider_account_id, webhook_account_id
)
SELECT account_id, conversation_id, version, part, parts, message_id, command_id, channel_id,
       from_address, to_address, body, ARRAY(SELECT jsonb_array_elements_text(media_urls)),
       content_sid, content_variables, state, attempts,
       created_at, due_at, posting_at, provider_message_id, status, error_code, told_uncertain,
       provider_account_id, webhook_account_id
FROM unnest(
    $1::text[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::uuid[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::text[], $14::jsonb[],
    $15::text[], $16::integer[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[],
    $20::text[], $21::text[], $22::integer[], $23::boolean[], $24::text[],
    $25::text[]
) AS n (
    account_id, conversation_id, version, part, parts, message_id, command_id, channel_id,
    from_address, to_address, body, media_urls, content_sid, content_variables, state, attempts,
    created_at, due_at, posting_at, provider_message_id, status, error_code, told_uncertain,
    provider_account_id, webhook_account_id
)

-- name: update_sends
-- The parts that changed.
UPDATE inbox.sends AS s
SET state = n.state, attempts = n.attempts, due_at = n.due_at, posting_at = n.posting_at,
    provider_message_id = n.provider_message_id, status = n.status, error_code = n.error_code,
    told_uncertain = n.told_uncertain
FROM unnest(
    $1::text[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::integer[],
    $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::integer[], $12::boolean[]
) AS n (
    account_id, conversation_id, version, part, state, attempts, due_at, posting_at,
    provider_message_id, status, error_code, told_uncertain
)
WHERE s.account_id = n.account_id AND s.conversation_id = n.conversation_id
  AND s.version = n.version AND s.part = n.part

-- name: due_conversations
-- Conversations with a part that is due: to be posted, if no earlier part is still queued or posting,
-- or to be checked. At most $1 parts are considered, the longest due first.
SELECT DISTINCT due.account_id, due.conversation_id::text
FROM (
    SELECT s.account_id, s.conversation_id
    FROM inbox.sends AS s
    WHERE s.state IN ('queued', 'posting', 'uncertain') AND NOT s.told_uncertain
      AND s.due_at <= statement_timestamp()
      AND (s.state <> 'queued' OR NOT EXISTS (
          SELECT FROM inbox.sends AS earlier
          WHERE earlier.account_id = s.account_id
            AND earlier.conversation_id = s.conversation_id
            AND (earlier.version, earlier.part) < (s.version, s.part)
            AND earlier.state IN ('queued', 'posting')
      ))
    ORDER BY s.due_at
    LIMIT $1
) AS due

-- name: try_lock_conversations
-- Lock those conversations that nobody else has locked, and skip the others.
SELECT c.account_id, c.conversation_id::text, c.version, c.window_until
FROM inbox.conversations AS c
WHERE (c.account_id, c.conversation_id) IN (
    SELECT k.account_id, k.conversation_id
    FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
)
ORDER BY c.account_id, c.conversation_id
FOR UPDATE SKIP LOCKED

-- name: unsettled_sends
-- The unsettled parts of locked conversations, in the order of sending: those whose POST began, and
-- the first of those that wait.
SELECT s.account_id, s.conversation_id::text, s.version, s.part, s.parts, s.message_id::text,
       s.command_id, s.channel_id, s.from_address, s.to_address, s.body, s.media_urls,
       s.content_sid, s.content_variables, s.state, s.attempts, s.created_at, s.due_at,
       s.posting_at, s.provider_message_id, s.status, s.error_code, s.told_uncertain,
       s.provider_account_id, s.webhook_account_id
FROM unnest($1::text[], $2::uuid[]) AS k (account_id, conversation_id)
CROSS JOIN LATERAL (
    SELECT * FROM inbox.sends AS begun
    WHERE begun.conversation_id = k.conversation_id AND begun.account_id = k.account_id
      AND begun.state IN ('posting', 'uncertain')
    UNION ALL (
        SELECT * FROM inbox.sends AS waiting
        WHERE waiting.conversation_id = k.conversation_id AND waiting.account_id = k.account_id
          AND waiting.state = 'queued'
        ORDER BY waiting.version, waiting.part
        LIMIT 1
    )
) AS s
ORDER BY s.account_id, s.conversation_id, s.version, s.part

-- name: earlier_failures
-- For some parts the error code of the first earlier part of the same reply that failed; nothing for
-- parts without one.
SELECT DISTINCT ON (k.account_id, k.message_id, k.part)
       k.account_id, k.message_id::text, k.part, s.error_code
FROM unnest($1::text[], $2::uuid[], $3::integer[]) AS k (account_id, message_id, part)
JOIN inbox.sends AS s USING (account_id, message_id)
WHERE s.part < k.part AND s.status = ANY ($4::text[])
ORDER BY k.account_id, k.message_id, k.part, s.part

-- name: sends_by_message
-- The parts with the message ids and part numbers of some receipts.
SELECT s.account_id, s.conversation_id::text, s.version, s.part, s.parts, s.message_id::text,
       s.command_id, s.channel_id, s.from_address, s.to_address, s.body, s.media_urls,
       s.content_sid, s.content_variables, s.state, s.attempts, s.created_at, s.due_at,
       s.posting_at, s.provider_message_id, s.status, s.error_code, s.told_uncertain,
       s.provider_account_id, s.webhook_account_id
FROM unnest($1::text[], $2::uuid[], $3::integer[]) AS k (account_id, message_id, part)
JOIN inbox.sends AS s USING (account_id, message_id, part)

-- name: sends_by_provider_id
-- The parts with some ids of the provider.
SELECT s.account_id, s.conversation_id::text, s.version, s.part, s.parts, s.message_id::text,
       s.command_id, s.channel_id, s.from_address, s.to_address, s.body, s.media_urls,
       s.content_sid, s.content_variables, s.state, s.attempts, s.created_at, s.due_at,
       s.posting_at, s.provider_message_id, s.status, s.error_code, s.told_uncertain,
       s.provider_account_id, s.webhook_account_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, provider_message_id)
JOIN inbox.sends AS s USING (account_id, provider_message_id)

-- name: record_receipts
-- Receipts; one that exists already is a repeat. The column `attempt` holds the number of the part.
INSERT INTO inbox.receipts (
    account_id, provider_message_id, event_id, status, error_code, message_id, attempt, received_at
)
SELECT *, $8::timestamptz
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::uuid[], $7::integer[]
)
ON CONFLICT (account_id, provider_message_id, event_id) DO NOTHING

-- name: receipts_of
-- The receipts with some ids of the provider, in the order in which they came.
SELECT r.account_id, r.provider_message_id, r.event_id, r.status, r.error_code,
       r.message_id::text, r.attempt
FROM unnest($1::text[], $2::text[]) AS k (account_id, provider_message_id)
JOIN inbox.receipts AS r USING (account_id, provider_message_id)
ORDER BY r.received_at, r.event_id

-- name: prune_receipts
-- Delete up to $2 receipts that came before $1.
DELETE FROM inbox.receipts
WHERE (account_id, provider_message_id, event_id) IN (
    SELECT account_id, provider_message_id, event_id FROM inbox.receipts
    WHERE received_at < $1
    ORDER BY received_at
    LIMIT $2
)

-- name: lock_rates
-- When some senders may send next; now, for those that never sent. The rows are locked in the order
-- of their keys.
INSERT INTO inbox.send_rates AS r (account_id, from_address, next_at)
SELECT account_id, from_address, statement_timestamp()
FROM unnest($1::text[], $2::text[]) AS n (account_id, from_address)
ORDER BY account_id, from_address
ON CONFLICT (account_id, from_address) DO UPDATE SET next_at = r.next_at
RETURNING account_id, from_address, next_at

-- name: save_rates
-- When some senders may send next; their rows are locked.
UPDATE inbox.send_rates AS r SET next_at = n.next_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS n (account_id, from_address, next_at)
WHERE r.account_id = n.account_id AND r.from_address = n.from_address
