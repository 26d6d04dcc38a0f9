-- name: redriven
-- Which of these dead letters were put back already.
SELECT r.partition, r."offset"
FROM unnest($1::integer[], $2::bigint[]) AS k (partition, "offset")
JOIN inbox.redrives AS r USING (partition, "offset")

-- name: record_redrive
-- Remember that a dead letter was put back.
INSERT INTO inbox.redrives (partition, "offset") VALUES ($1, $2)
ON CONFLICT (partition, "offset") DO UPDATE SET redriven_at = now()
