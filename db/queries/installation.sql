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
INSERT INTO inbox.installation (topic_prefix, partitions, kafka_cluster_id)
VALUES ($1, $2, $3)
ON CONFLICT (single) DO UPDATE
SET topic_prefix = excluded.topic_prefix, partitions = excluded.partitions,
    kafka_cluster_id = excluded.kafka_cluster_id, written_at = now()

-- name: load_used_topics
-- The topics of which positions are stored, and how many partitions each has at least.
SELECT topic, max(partition) + 1 AS partitions FROM inbox.positions GROUP BY topic ORDER BY topic

-- name: count_worker_sessions
-- How many sessions workers and commands have in this database: those of the workers' role $1 and of
-- its members, and those that call themselves $2. A superuser is a member of every role, and the
-- user of this session may be one: their sessions count only by that name.
SELECT count(*)
FROM pg_stat_activity AS a
JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND (
      a.application_name = $2
      OR NOT r.rolsuper AND a.usename <> session_user AND pg_has_role(a.usesysid, $1, 'MEMBER')
  )

-- name: outbox_has_rows
-- Whether an outbox row waits to be published.
SELECT EXISTS (SELECT FROM inbox.outbox)

-- name: count_unsent
-- How many events the outbox holds, and how many parts of replies may still be sent.
SELECT (SELECT coalesce(sum(records), 0) FROM inbox.outbox) AS events,
       (SELECT count(*) FROM inbox.sends
        WHERE state IN ('queued', 'posting', 'uncertain')) AS parts

-- name: discard_outbox
-- Drop the events that are not published yet.
DELETE FROM inbox.outbox

-- name: discard_sends
-- Drop the parts of replies that may still be sent.
DELETE FROM inbox.sends WHERE state IN ('queued', 'posting', 'uncertain')

-- name: forget_positions
-- Forget how far every partition is applied: all are read from their start again.
DELETE FROM inbox.positions

-- name: forget_redrives
-- Forget which dead letters were redriven, because their places are now those of others.
DELETE FROM inbox.redrives
