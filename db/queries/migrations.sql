-- name: record_migration
-- Remember that a migration was applied.
INSERT INTO inbox.migrations (number, name) VALUES ($1, $2)

-- name: schema_version
-- The number of the newest migration; 0 for none.
SELECT coalesce(max(number), 0) FROM inbox.migrations

-- name: migration_lock
-- One migration at a time, whoever runs it; held until the connection closes.
SELECT pg_advisory_lock($1)

-- name: migration_lock_limit
-- How long to wait for another migration, as text such as 300s.
SELECT set_config('lock_timeout', $1, false)
