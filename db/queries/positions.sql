-- name: claim_positions
-- Move positions from where this worker left them. One that is elsewhere by now does not move.
UPDATE inbox.positions AS p
SET next_offset = c.following
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
    AS c (topic, partition, previous, following)
WHERE p.topic = c.topic AND p.partition = c.partition AND p.next_offset = c.previous

-- name: load_position
-- The offset of the first record of a partition that is not applied.
SELECT next_offset FROM inbox.positions WHERE topic = $1 AND partition = $2

-- name: ensure_positions
-- Insert the missing positions of partitions that were just assigned.
INSERT INTO inbox.positions (topic, partition, next_offset)
SELECT topic, partition, 0 FROM unnest($1::text[], $2::integer[]) AS p (topic, partition)
ORDER BY topic, partition
ON CONFLICT (topic, partition) DO NOTHING

-- name: load_positions
-- The positions of partitions that were just assigned.
SELECT p.topic, p.partition, p.next_offset
FROM unnest($1::text[], $2::integer[]) AS k (topic, partition)
JOIN inbox.positions AS p USING (topic, partition)

-- name: stored_positions
-- The positions of all partitions of topics, for people who look.
SELECT topic, partition, next_offset FROM inbox.positions
WHERE topic = ANY($1::text[])
ORDER BY topic, partition
