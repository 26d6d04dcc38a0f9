-- name: end_frozen_transactions
-- End our own role's sessions whose transaction is older than $1 seconds, past all its limits.
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database()
  AND xact_start < clock_timestamp() - make_interval(secs => $1)
