-- name: applied_commands
-- Which commands of a batch are answered already.
SELECT c.account_id, c.command_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, command_id)
JOIN inbox.commands AS c USING (account_id, command_id)

-- name: record_commands
-- Remember the commands that a batch answers.
INSERT INTO inbox.commands (account_id, command_id, applied_at)
SELECT account_id, command_id, $3
FROM unnest($1::text[], $2::text[]) AS k (account_id, command_id)
ORDER BY account_id, command_id

-- name: prune_commands
-- Forget up to $2 commands that were answered before $1.
DELETE FROM inbox.commands
WHERE (account_id, command_id) IN (
    SELECT account_id, command_id FROM inbox.commands
    WHERE applied_at < $1
    ORDER BY applied_at
    LIMIT $2
)
