-- name: add_outbox
-- Add a row to a shard under the shard's next number; the counter's lock makes that commit order.
WITH counted AS (
    UPDATE inbox.outbox_shards SET last_number = last_number + 1 WHERE shard = $1
    RETURNING last_number
)
INSERT INTO inbox.outbox (shard, number, records, payload)
SELECT $1, last_number, $2, $3 FROM counted
RETURNING number

-- name: ensure_shards
-- Make sure that every shard has its counter.
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
-- The newest number of each shard: where it is past what is published, there is work.
SELECT shard, last_number FROM inbox.outbox_shards WHERE shard = ANY ($1::integer[])

-- name: delete_outbox
-- Remove what is published.
DELETE FROM inbox.outbox WHERE shard = $1 AND number <= $2

-- name: outbox_age
-- How many rows wait, and the age of the oldest in seconds.
SELECT count(*) AS rows,
       coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age_seconds
FROM inbox.outbox

-- name: clock
-- The database's clock: the one clock of all workers.
SELECT clock_timestamp()
