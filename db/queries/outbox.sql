-- name: add_outbox
-- Add rows to shards under each shard's next numbers. The lock on a shard's counter keeps the numbers
-- in the order of commits. Counters are locked in order, so that batches never deadlock.
WITH given AS (
    SELECT shard, records, payload, row_number() OVER (PARTITION BY shard ORDER BY place) AS nth
    FROM unnest($1::integer[], $2::integer[], $3::bytea[]) WITH ORDINALITY
        AS g (shard, records, payload, place)
), added AS (
    SELECT shard, count(*) AS rows FROM given GROUP BY shard
), locked AS MATERIALIZED (
    SELECT s.shard FROM inbox.outbox_shards AS s
    WHERE s.shard = ANY ($1::integer[])
    ORDER BY s.shard
    FOR UPDATE
), counted AS (
    UPDATE inbox.outbox_shards AS s SET last_number = s.last_number + a.rows
    FROM locked AS l JOIN added AS a USING (shard)
    WHERE s.shard = l.shard
    RETURNING s.shard, s.last_number - a.rows AS before
)
INSERT INTO inbox.outbox (shard, number, records, payload)
SELECT g.shard, c.before + g.nth, g.records, g.payload
FROM given AS g JOIN counted AS c USING (shard)
RETURNING shard, number

-- name: ensure_shards
-- Create the counters of shards that have none.
INSERT INTO inbox.outbox_shards (shard, last_number)
SELECT shard, 0 FROM generate_series(0, $1::integer - 1) AS s (shard)
ON CONFLICT (shard) DO NOTHING

-- name: load_outbox
-- The next rows of a shard, up to $3 of them.
SELECT number, payload FROM inbox.outbox
WHERE shard = $1 AND number > $2
ORDER BY number
LIMIT $3

-- name: outbox_numbers
-- The newest number of each shard. Rows wait in a shard whose newest number is not published.
SELECT shard, last_number FROM inbox.outbox_shards WHERE shard = ANY ($1::integer[])

-- name: delete_outbox
-- Delete published rows.
DELETE FROM inbox.outbox WHERE shard = $1 AND number <= $2

-- name: outbox_age
-- How many rows wait, and the age of the oldest in seconds.
SELECT count(*) AS rows,
       coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age_seconds
FROM inbox.outbox

-- name: clock
-- The database's clock: the one clock of all workers.
SELECT clock_timestamp()
