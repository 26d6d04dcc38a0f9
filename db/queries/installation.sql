-- name: load_installation
-- The topics that this database belongs to; no row before the first worker started.
SELECT topic_prefix, partitions, kafka_cluster_id FROM inbox.installation

-- name: ensure_installation
-- Write the topics that this database belongs to, unless a worker has written them before.
INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)
VALUES ($1, $2, $3)
ON CONFLICT (single) DO NOTHING

-- name: lock_installation
-- Let no worker check the topics while they are replaced.
LOCK TABLE inbox.installation IN ACCESS EXCLUSIVE MODE

-- name: replace_installation
-- Make this database belong to other topics.
UPDATE inbox.installation
SET topic_prefix = $1, partitions = $2, kafka_cluster_id = $3, written_at = now()

-- name: count_worker_sessions
-- How many sessions workers have in this database.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = $1

-- name: outbox_has_rows
-- Whether an outbox row waits to be published.
SELECT EXISTS (SELECT FROM inbox.outbox)

-- name: forget_positions
-- Forget how far every partition is applied: all are read from their start again.
DELETE FROM inbox.positions

-- name: forget_redrives
-- Forget which dead letters were redriven, because their places are now those of others.
DELETE FROM inbox.redrives
