-- name: redriven
-- Which of these dead letters were put back already.
SELECT r.partition, r."offset"
FROM unnest($1::integer[], $2::bigint[]) AS k (partition, "offset")
JOIN inbox.redrives AS r USING (partition, "offset")

-- name: record_redrives
-- Remember that dead letters were put back; of one put back again the first time stays.
INSERT INTO inbox.redrives (partition, "offset")
SELECT partition, "offset" FROM unnest($1::integer[], $2::bigint[]) AS k (partition, "offset")
ON CONFLICT (partition, "offset") DO NOTHING
