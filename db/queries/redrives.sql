-- name: redriven
-- Which of these dead letters were redriven before.
SELECT r.partition, r."offset"
FROM unnest($1::integer[], $2::bigint[]) AS k (partition, "offset")
JOIN inbox.redrives AS r USING (partition, "offset")

-- name: record_redrives
-- Record that dead letters were redriven; a second redrive keeps the time of the first.
INSERT INTO inbox.redrives (partition, "offset")
SELECT partition, "offset" FROM unnest($1::integer[], $2::bigint[]) AS k (partition, "offset")
ON CONFLICT (partition, "offset") DO NOTHING
