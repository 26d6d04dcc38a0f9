-- name: record_migration
-- Record that a migration was applied.
INSERT INTO inbox.migrations (number, name) VALUES ($1, $2)

-- name: schema_version
-- The number of the newest migration; 0 for none.
SELECT coalesce(max(number), 0) FROM inbox.migrations

-- name: migration_lock
-- Let one program migrate at a time; the lock is held until the connection closes.
SELECT pg_advisory_lock($1)

-- name: migration_lock_limit
-- Set how long to wait for the migration of another program, as a text such as 300s.
SELECT set_config('lock_timeout', $1, false)
