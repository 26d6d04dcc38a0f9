-- name: account_sections
-- How many conversations an account has that are unassigned, closed, and of each assignee, each number
-- counted to $2 at most.
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
SELECT 'open' AS status, NULL AS assignee_id, (
    SELECT count(*) FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id IS NULL
        LIMIT $2
    ) AS counted
) AS found
UNION ALL
SELECT 'closed', NULL, (
    SELECT count(*) FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'closed'
        LIMIT $2
    ) AS counted
)
UNION ALL
SELECT 'open', a.assignee_id, theirs.found
FROM assignees AS a
CROSS JOIN LATERAL (
    SELECT count(*) AS found FROM (
        SELECT FROM inbox.conversations AS c
        WHERE c.account_id = $1 AND c.status = 'open' AND c.assignee_id = a.assignee_id
        LIMIT $2
    ) AS counted
) AS theirs
WHERE a.assignee_id IS NOT NULL
