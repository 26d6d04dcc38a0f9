-- name: search_contacts
-- The $8 newest conversations, active before the place ($6, $7), of contacts whose name begins with $2
-- or whose address begins with $3, whatever the letters' case. Of each kind the first $4 in the order
-- of the alphabet are looked at. Another address of a contact leads to their conversation, and a
-- conversation that was merged to the one that goes on. $5: only one section of the user $9, or null.
WITH RECURSIVE matching AS (
    (
        SELECT c.conversation_id, c.merged_into, c.status, c.assignee_id,
               coalesce(c.last_message_at, c.created_at) AS active_at
        FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.contact_name IS NOT NULL
          AND left(lower(c.contact_name COLLATE pg_c_utf8), 64)
              BETWEEN left(lower($2::text COLLATE pg_c_utf8), 64)
              AND left(lower($2::text COLLATE pg_c_utf8), 64) || chr(1114111)
        ORDER BY left(lower(c.contact_name COLLATE pg_c_utf8), 64)
        LIMIT $4
    )
    UNION ALL
    (
        SELECT c.conversation_id, c.merged_into, c.status, c.assignee_id,
               coalesce(c.last_message_at, c.created_at) AS active_at
        FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.contact_address <> ''
          AND left(lower(ltrim(substr(c.contact_address, strpos(c.contact_address, ':') + 1), '+') COLLATE pg_c_utf8), 64)
              BETWEEN left(lower($3::text COLLATE pg_c_utf8), 64)
              AND left(lower($3::text COLLATE pg_c_utf8), 64) || chr(1114111)
        ORDER BY left(lower(ltrim(substr(c.contact_address, strpos(c.contact_address, ':') + 1), '+') COLLATE pg_c_utf8), 64)
        LIMIT $4
    )
    UNION ALL
    (
        SELECT c.conversation_id, c.merged_into, c.status, c.assignee_id,
               coalesce(c.last_message_at, c.created_at) AS active_at
        FROM (
            SELECT i.conversation_id FROM inbox.identities AS i
            WHERE i.account_id = $1 AND i.address <> ''
              AND left(lower(ltrim(substr(i.address, strpos(i.address, ':') + 1), '+') COLLATE pg_c_utf8), 64)
                  BETWEEN left(lower($3::text COLLATE pg_c_utf8), 64)
                  AND left(lower($3::text COLLATE pg_c_utf8), 64) || chr(1114111)
            ORDER BY left(lower(ltrim(substr(i.address, strpos(i.address, ':') + 1), '+') COLLATE pg_c_utf8), 64)
            LIMIT $4
        ) AS further
        JOIN inbox.conversations AS c
            ON c.account_id = $1 AND c.conversation_id = further.conversation_id
    )
), found AS (
    SELECT * FROM matching
    UNION
    SELECT c.conversation_id, c.merged_into, c.status, c.assignee_id,
           coalesce(c.last_message_at, c.created_at)
    FROM found AS f
    JOIN inbox.conversations AS c ON c.account_id = $1 AND c.conversation_id = f.merged_into
)
SELECT f.active_at, f.conversation_id
FROM found AS f
WHERE (f.active_at, f.conversation_id) < ($6, $7::uuid)
  AND ($5::text IS NULL OR $5 = CASE
      WHEN f.status = 'closed' THEN 'closed'
      WHEN f.assignee_id IS NULL THEN 'unassigned'
      WHEN f.assignee_id = $9 THEN 'assigned_to_me'
      ELSE 'assigned_to_others'
  END)
ORDER BY f.active_at DESC, f.conversation_id DESC
LIMIT $8

-- name: contact_addresses
-- The addresses of the contact of a conversation, its own first: those of all conversations that were
-- merged with it, in either direction, and those that lead to one of them; $3 at most. Of two merged
-- ones, one is older: a conversation that started afresh since is another one's.
WITH RECURSIVE merged AS (
    SELECT c.conversation_id, c.merged_into, c.created_at, c.contact_address
    FROM inbox.conversations AS c
    WHERE c.account_id = $1 AND c.conversation_id = $2
    UNION
    SELECT other.conversation_id, other.merged_into, other.created_at, other.contact_address
    FROM merged AS m
    CROSS JOIN LATERAL (
        SELECT c.* FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.conversation_id = m.merged_into
          AND (c.created_at, c.conversation_id) < (m.created_at, m.conversation_id)
        UNION ALL
        SELECT c.* FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.merged_into = m.conversation_id
          AND (c.created_at, c.conversation_id) > (m.created_at, m.conversation_id)
    ) AS other
), addresses AS (
    SELECT m.contact_address AS address, m.conversation_id = $2 AS is_own FROM merged AS m
    UNION ALL
    SELECT further.address, false
    FROM merged AS m
    CROSS JOIN LATERAL (
        SELECT i.address FROM inbox.identities AS i
        WHERE i.conversation_id = m.conversation_id AND i.account_id = $1
        LIMIT $3
    ) AS further
)
SELECT address FROM addresses
GROUP BY address
ORDER BY bool_or(is_own) DESC, address
LIMIT $3
