-- fragment: shown
c.id, c.slug ::text AS slug, left(c.name, 255) AS name, left(c.description, 2000) AS description,
    coalesce(c.status, 'published') AS status, c.cohort_type, c.granularity, c.metric,
    extract(epoch FROM c.last_computed_at) ::float8 AS computed_at

-- name: listed
SELECT {shown}
FROM analytics_cohorts c
WHERE :after ::text IS NULL OR c.slug > :after ::text
ORDER BY c.slug
LIMIT :most ::int;

-- name: single^
SELECT {shown}, jsonb_typeof(c.cohort_data) AS kind
FROM analytics_cohorts c
WHERE c.slug = :slug ::text OR c.id = :id ::uuid
ORDER BY c.slug = :slug ::text DESC
LIMIT 1;

-- name: rows
-- The newest cohorts before a key. Keys are in the order of time, as the jobs write them.
SELECT d.key, CASE WHEN octet_length(d.value ::text) <= :most_bytes ::int THEN d.value ::text END
    AS entry
FROM analytics_cohorts c
CROSS JOIN LATERAL jsonb_each(
    CASE jsonb_typeof(c.cohort_data) WHEN 'object' THEN c.cohort_data ELSE '{}' END
) AS d
WHERE c.id = :id ::uuid AND (:before ::text IS NULL OR d.key COLLATE "C" < :before ::text)
ORDER BY d.key COLLATE "C" DESC
LIMIT :most ::int;
