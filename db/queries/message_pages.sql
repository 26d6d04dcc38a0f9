-- name: message_page
-- The newest messages of a conversation before a place ($3, $4), newest first, each reply with its parts.
-- They are the newest $5 at most, and end with the first that makes their texts and files $6 bytes.
-- `found` is $5 + 1 if so many are there. One row without a message: there is none before. No row: there
-- is no such conversation. The account is compared behind the limit, or else all its messages might be
-- looked at for one page.
SELECT m.message_id::text, m.direction, m.sender_name, m.sender_address, m.body, m.media, m.sent_at,
       m.historical, m.version, m.context, m.found, parts.statuses, parts.error_codes
FROM inbox.conversations AS c
LEFT JOIN LATERAL (
    SELECT *, count(*) OVER () AS found,
           sum(octet_length(page.body) + octet_length(page.media::text)) OVER (
               ORDER BY page.sent_at DESC, page.version DESC
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS newer_bytes,
           row_number() OVER (ORDER BY page.sent_at DESC, page.version DESC) AS number
    FROM (
        SELECT * FROM inbox.messages AS older
        WHERE older.conversation_id = c.conversation_id
          AND (older.sent_at, older.version) < ($3::timestamptz, $4::integer)
        ORDER BY older.sent_at DESC, older.version DESC
        LIMIT $5::bigint + 1
    ) AS page
) AS m
    ON m.account_id = c.account_id AND m.number <= $5 AND coalesce(m.newer_bytes, 0) < $6::bigint
LEFT JOIN LATERAL (
    SELECT array_agg(coalesce(s.status, s.state) ORDER BY s.part) AS statuses,
           array_agg(s.error_code ORDER BY s.part) AS error_codes
    FROM inbox.sends AS s
    WHERE m.direction = 'outbound' AND s.account_id = c.account_id AND s.message_id = m.message_id
) AS parts ON true
WHERE c.account_id = $1 AND c.conversation_id = $2
ORDER BY m.sent_at DESC, m.version DESC

-- name: message_media
-- The files of a message.
SELECT media FROM inbox.messages WHERE account_id = $1 AND message_id = $2

-- name: messages_by_id
-- Some messages of an account, each reply with its parts.
SELECT m.message_id::text, m.direction, m.sender_name, m.sender_address, m.body, m.media, m.sent_at,
       m.historical, m.version, m.context, parts.statuses, parts.error_codes
FROM unnest($2::uuid[]) AS k (message_id)
JOIN inbox.messages AS m ON m.account_id = $1 AND m.message_id = k.message_id
LEFT JOIN LATERAL (
    SELECT array_agg(coalesce(s.status, s.state) ORDER BY s.part) AS statuses,
           array_agg(s.error_code ORDER BY s.part) AS error_codes
    FROM inbox.sends AS s
    WHERE m.direction = 'outbound' AND s.account_id = m.account_id AND s.message_id = m.message_id
) AS parts ON true
