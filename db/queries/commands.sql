-- name: applied_commands
-- Which commands of a batch were applied before.
SELECT c.account_id, c.command_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, command_id)
JOIN inbox.commands AS c USING (account_id, command_id)

-- name: record_commands
-- Record the commands that a batch applies, with their outcomes.
INSERT INTO inbox.commands (account_id, command_id, code, version, applied_at)
SELECT account_id, command_id, code, version, $5
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[])
    AS k (account_id, command_id, code, version)
ORDER BY account_id, command_id

-- name: load_outcome
-- The outcome of a command. A reply whose command is pruned, or was applied by an older program, still
-- has its message, $3; null looks for none. A code that is kept goes before the message: a later
-- command of another kind may have the same id.
SELECT code, version, CASE WHEN code IS NULL THEN 3 ELSE 1 END AS place
FROM inbox.commands WHERE account_id = $1 AND command_id = $2
UNION ALL
SELECT 'accepted', version, 2 FROM inbox.messages
WHERE account_id = $1 AND message_id = $3::uuid AND direction = 'outbound'
ORDER BY place
LIMIT 1

-- name: prune_commands
-- Delete up to $2 commands that were applied before $1.
DELETE FROM inbox.commands
WHERE (account_id, command_id) IN (
    SELECT account_id, command_id FROM inbox.commands
    WHERE applied_at < $1
    ORDER BY applied_at
    LIMIT $2
)
