-- name: record_migration
-- Record that a migration was applied, and the oldest program that runs on its result.
INSERT INTO inbox.migrations (number, name, readable_from) VALUES ($1, $2, $3)

-- name: schema_version
-- The number of the newest migration, and the oldest program that runs on all of them; 0 for none.
-- The column is read as JSON, since it is missing where only old programs have migrated.
SELECT coalesce(max(number), 0) AS version,
    coalesce(max(coalesce((to_jsonb(m) ->> 'readable_from')::integer, number)), 0) AS readable_from
FROM inbox.migrations AS m

-- name: session_process
-- The number of the server's process that runs this session.
SELECT pg_backend_pid()

-- name: migration_lock
-- Let one program migrate at a time; the lock is held until the connection closes.
SELECT pg_advisory_lock($1)

-- name: migration_lock_limit
-- Set how long to wait for the migration of another program, as a text such as 300s.
SELECT set_config('lock_timeout', $1, false)
