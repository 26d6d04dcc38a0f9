-- name: applied_commands
-- Which commands of a batch were applied before.
SELECT c.account_id, c.command_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, command_id)
JOIN inbox.commands AS c USING (account_id, command_id)

-- name: record_commands
-- Record the commands that a batch applies.
INSERT INTO inbox.commands (account_id, command_id, applied_at)
SELECT account_id, command_id, $3
FROM unnest($1::text[], $2::text[]) AS k (account_id, command_id)
ORDER BY account_id, command_id

-- name: prune_commands
-- Delete up to $2 commands that were applied before $1.
DELETE FROM inbox.commands
WHERE (account_id, command_id) IN (
    SELECT account_id, command_id FROM inbox.commands
    WHERE applied_at < $1
    ORDER BY applied_at
    LIMIT $2
)
