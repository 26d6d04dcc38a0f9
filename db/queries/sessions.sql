-- name: end_frozen_transactions
-- End the sessions of our own role whose transaction is older than $1 seconds, beyond all limits.
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database()
  AND xact_start < clock_timestamp() - make_interval(secs => $1)

-- name: session_settings
-- The settings of this session with these names, each in its base unit (times in milliseconds).
SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])
