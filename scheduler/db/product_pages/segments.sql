-- name: listed
SELECT g.slug ::text AS slug, left(g.name, 255) AS name, left(g.description, 500) AS description,
    coalesce(g.status, 'published') AS status, coalesce(g.is_dynamic, true) AS is_dynamic,
    coalesce(g.subscriber_count, 0) AS members, left(g.criteria ::text, 600) AS criteria,
    extract(epoch FROM g.last_computed_at) ::float8 AS computed_at
FROM newsletter_segments g
WHERE :after ::text IS NULL OR g.slug > :after ::text
ORDER BY g.slug
LIMIT :most ::int;
