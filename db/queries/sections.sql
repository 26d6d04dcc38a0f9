-- name: page_of_unassigned
-- The $4 newest open conversations without an assignee that were active before the place ($2, $3).
-- Whole slots come from the index in their order; within a slot the rows are sorted.
SELECT coalesce(c.last_message_at, c.created_at) AS active_at, c.conversation_id
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id IS NULL
  AND c.activity_slot <= date_bin('15 minutes', $2::timestamptz, '2000-01-01 00:00:00+00')
  AND (coalesce(c.last_message_at, c.created_at), c.conversation_id) < ($2, $3::uuid)
ORDER BY c.activity_slot DESC, active_at DESC, c.conversation_id DESC
LIMIT $4

-- name: page_of_closed
-- Likewise of the closed ones.
SELECT coalesce(c.last_message_at, c.created_at) AS active_at, c.conversation_id
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.status = 'closed'
  AND c.activity_slot <= date_bin('15 minutes', $2::timestamptz, '2000-01-01 00:00:00+00')
  AND (coalesce(c.last_message_at, c.created_at), c.conversation_id) < ($2, $3::uuid)
ORDER BY c.activity_slot DESC, active_at DESC, c.conversation_id DESC
LIMIT $4

-- name: page_of_assigned_to_me
-- Likewise of the open ones that are assigned to the user $5.
SELECT coalesce(c.last_message_at, c.created_at) AS active_at, c.conversation_id
FROM inbox.conversations AS c
WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = $5
  AND c.activity_slot <= date_bin('15 minutes', $2::timestamptz, '2000-01-01 00:00:00+00')
  AND (coalesce(c.last_message_at, c.created_at), c.conversation_id) < ($2, $3::uuid)
ORDER BY c.activity_slot DESC, active_at DESC, c.conversation_id DESC
LIMIT $4

-- name: page_of_assigned_to_others
-- Likewise of the open ones that are assigned to anybody but $5, who may have nearly all. So the index
-- is searched for each assignee; it alone tells the slots in which the newest $4 rows below the
-- place's own slot are. Of those slots and the place's own one, the rows are read.
WITH RECURSIVE assignees AS (
    (
        SELECT c.assignee_id FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id IS NOT NULL
        ORDER BY c.assignee_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT c.assignee_id FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id > a.assignee_id
        ORDER BY c.assignee_id
        LIMIT 1
    )
    FROM assignees AS a
    WHERE a.assignee_id IS NOT NULL
), slots AS (
    SELECT newest.activity_slot
    FROM assignees AS a
    CROSS JOIN LATERAL (
        SELECT c.activity_slot FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = a.assignee_id
          AND c.activity_slot < date_bin('15 minutes', $2::timestamptz, '2000-01-01 00:00:00+00')
        ORDER BY c.activity_slot DESC
        LIMIT $4
    ) AS newest
    WHERE a.assignee_id <> $5
    ORDER BY newest.activity_slot DESC
    LIMIT $4
)
SELECT page.active_at, page.conversation_id
FROM assignees AS a
CROSS JOIN LATERAL (
    SELECT coalesce(c.last_message_at, c.created_at) AS active_at, c.conversation_id
    FROM inbox.conversations AS c
    WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = a.assignee_id
      AND c.activity_slot >= (SELECT coalesce(min(activity_slot), '-infinity') FROM slots)
      AND c.activity_slot <= date_bin('15 minutes', $2::timestamptz, '2000-01-01 00:00:00+00')
      AND (coalesce(c.last_message_at, c.created_at), c.conversation_id) < ($2, $3::uuid)
    ORDER BY c.activity_slot DESC, active_at DESC, c.conversation_id DESC
    LIMIT $4
) AS page
WHERE a.assignee_id <> $5
ORDER BY page.active_at DESC, page.conversation_id DESC
LIMIT $4

-- name: count_sections
-- How many conversations each section of the user $2 has, counted to $3 at most.
WITH RECURSIVE assignees AS (
    (
        SELECT c.assignee_id FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id IS NOT NULL
        ORDER BY c.assignee_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT c.assignee_id FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id > a.assignee_id
        ORDER BY c.assignee_id
        LIMIT 1
    )
    FROM assignees AS a
    WHERE a.assignee_id IS NOT NULL
)
SELECT (
    SELECT count(*) FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id IS NULL
        LIMIT $3
    ) AS counted
) AS unassigned, (
    SELECT count(*) FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = $2
        LIMIT $3
    ) AS counted
) AS assigned_to_me, (
    SELECT count(*) FROM (
        SELECT
        FROM assignees AS a
        CROSS JOIN LATERAL (
            SELECT FROM inbox.conversations AS c
            WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = a.assignee_id
            LIMIT $3
        ) AS theirs
        WHERE a.assignee_id <> $2
        LIMIT $3
    ) AS counted
) AS assigned_to_others, (
    SELECT count(*) FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'closed'
        LIMIT $3
    ) AS counted
) AS closed
