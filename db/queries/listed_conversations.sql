-- name: listed_conversations
-- What every list shows of some conversations of an account, in the order of $2. The last message is
-- shown with its first $3 characters. The newest version of a message of the contact tells who has not
-- seen it yet; what was imported counts for nobody. A message may be recorded
-- before its channel's installation is applied: until then the channel has no name.
SELECT c.conversation_id::text, c.version, c.status, c.assignee_id, u.name AS assignee_name,
       c.channel_id, h.name AS channel_name, h.provider, c.contact_name, c.contact_address,
       c.last_message_at, c.message_count, c.window_until, latest.direction, latest.words,
       latest.media, latest.context, coalesce(inbound.version, 0) AS inbound_version
FROM unnest($2::uuid[]) WITH ORDINALITY AS k (conversation_id, place)
JOIN inbox.conversations AS c ON c.account_id = $1 AND c.conversation_id = k.conversation_id
LEFT JOIN inbox.channels AS h ON h.account_id = c.account_id AND h.channel_id = c.channel_id
LEFT JOIN inbox.users AS u ON u.account_id = c.account_id AND u.user_id = c.assignee_id
LEFT JOIN LATERAL (
    SELECT m.direction, left(m.body, $3) AS words, m.media, m.context
    FROM inbox.messages AS m
    WHERE m.conversation_id = c.conversation_id AND m.account_id = c.account_id
    ORDER BY m.sent_at DESC, m.version DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT m.version
    FROM inbox.messages AS m
    WHERE m.conversation_id = c.conversation_id AND m.account_id = c.account_id
      AND m.direction = 'inbound' AND NOT m.historical
    ORDER BY m.version DESC
    LIMIT 1
) AS inbound ON true
ORDER BY k.place

-- name: seen_versions
-- How far some users have seen some conversations of an account; no row for what they never saw.
SELECT s.conversation_id::text, s.user_id, s.version
FROM unnest($2::uuid[]) AS k (conversation_id)
CROSS JOIN unnest($3::text[]) AS v (user_id)
JOIN inbox.seen AS s
    ON s.account_id = $1 AND s.conversation_id = k.conversation_id AND s.user_id = v.user_id
