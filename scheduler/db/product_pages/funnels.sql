-- fragment: shown
f.id, f.slug ::text AS slug, left(f.name, 255) AS name, left(f.description, 2000) AS description,
    coalesce(f.status, 'published') AS status, coalesce(f.total_entered, 0) AS entered,
    coalesce(f.total_completed, 0) AS completed, f.conversion_rate ::float8 AS conversion_rate,
    extract(epoch FROM f.avg_time_to_complete) ::float8 AS average_seconds,
    extract(epoch FROM f.last_computed_at) ::float8 AS computed_at

-- name: listed
SELECT {shown}
FROM analytics_funnels f
WHERE :after ::text IS NULL OR f.slug > :after ::text
ORDER BY f.slug
LIMIT :most ::int;

-- name: single^
-- By its slug; by its id, where no address can hold the slug.
SELECT {shown}, coalesce(f.window_days, 30) AS window_days,
    CASE WHEN octet_length(f.steps ::text) <= :most_bytes ::int THEN f.steps ::text END AS steps,
    CASE WHEN octet_length(f.step_metrics ::text) <= :most_bytes ::int THEN f.step_metrics ::text END
        AS step_metrics,
    octet_length(f.step_metrics ::text) AS octets
FROM analytics_funnels f
WHERE f.slug = :slug ::text OR f.id = :id ::uuid
ORDER BY f.slug = :slug ::text DESC
LIMIT 1;
