-- 'the criteria' IS NOT NULL stands for a segment's compiled criteria, whose placeholders follow those
-- of the query: of subscribers `s` and their account `u`. A difference is everybody who should be a
-- member (`c`) beside everybody who is one (`m`), from a key on.

-- fragment: dynamic
-- Columns that the product left NULL count as their defaults: published, dynamic.
coalesce(g.status, 'published') = 'published' AND coalesce(g.is_dynamic, true)

-- fragment: as_it_was
-- The segment, if it still is what was read at the beginning.
g.id = :segment ::uuid AND g.criteria ::text = :criteria ::text AND {dynamic}

-- fragment: difference
(
    SELECT s.id
    FROM newsletter_subscribers s
    LEFT JOIN app_users u ON u.id = s.user_id
    WHERE s.id >= :first ::uuid AND 'the criteria' IS NOT NULL
) c
FULL JOIN (
    SELECT subscriber_id AS id
    FROM newsletter_segment_members
    WHERE segment_id = :segment ::uuid AND subscriber_id >= :first ::uuid
) m ON m.id = c.id

-- name: segments
SELECT g.id, g.slug, left(g.criteria ::text, :longest ::int + 1) AS criteria
FROM newsletter_segments g
WHERE {dynamic} AND (:slugs ::text[] IS NULL OR g.slug = ANY (:slugs ::text[]))
ORDER BY g.slug;

-- name: chunks
-- Who joins or leaves from the key on, by key: so many to a chunk, and so many chunks at most. As
-- text, since Python needs four times as much memory for as many UUIDs.
SELECT array_agg(d.id ORDER BY d.id) ::text AS ids,
    (array_agg(d.id ORDER BY d.id))[count(*)] AS through
FROM (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n
    FROM (
        SELECT coalesce(m.id, c.id) AS id
        FROM {difference}
        WHERE m.id IS NULL OR c.id IS NULL
        ORDER BY 1
        LIMIT :size ::int * :most ::int
    ) changed
) d
GROUP BY d.n / :size ::int
ORDER BY d.n / :size ::int;

-- name: count_difference^
SELECT count(m.id) AS members, count(*) FILTER (WHERE m.id IS NULL) AS would_join,
    count(*) FILTER (WHERE c.id IS NULL) AS would_leave
FROM {difference};

-- name: change^
-- Those of the chunk, asked again: who matches joins, who does not leaves. Sorted, so that the locks
-- of the new members' foreign keys are taken in one order; they keep subscribers from being deleted
-- and nobody from changing them.
WITH segment AS MATERIALIZED (
    SELECT g.id, EXISTS (SELECT FROM lamplighter.segments k WHERE k.segment_id = g.id) AS is_known
    FROM newsletter_segments g
    WHERE {as_it_was}
    FOR KEY SHARE OF g
), matching AS MATERIALIZED (
    SELECT s.id
    FROM newsletter_subscribers s
    LEFT JOIN app_users u ON u.id = s.user_id
    WHERE s.id = ANY ((SELECT :ids ::text ::uuid[]) ::uuid[]) AND 'the criteria' IS NOT NULL
), joined AS (
    INSERT INTO newsletter_segment_members (segment_id, subscriber_id, added_at)
    SELECT segment.id, matching.id, :now ::timestamptz
    FROM matching CROSS JOIN segment
    ORDER BY matching.id
    ON CONFLICT DO NOTHING
    RETURNING subscriber_id
), departed AS (
    DELETE FROM newsletter_segment_members m
    USING segment
    WHERE m.segment_id = segment.id
        AND m.subscriber_id = ANY ((SELECT :ids ::text ::uuid[]) ::uuid[])
        -- Not by NOT EXISTS: that is a join, row by row where the planner expects few of either.
        AND m.subscriber_id NOT IN (SELECT id FROM matching)
    RETURNING 1
), remembered AS (
    INSERT INTO lamplighter.segment_joins (segment_id, subscriber_id, joined_at)
    SELECT segment.id, joined.subscriber_id, :now ::timestamptz
    FROM joined CROSS JOIN segment
    WHERE segment.is_known
)
SELECT EXISTS (SELECT FROM segment) AS is_current, (SELECT count(*) FROM joined) AS joined,
    (SELECT count(*) FROM departed) AS departed;

-- name: finish$
-- The number of members, and that the segment has its baseline; NULL where it is another one now.
WITH finished AS (
    UPDATE newsletter_segments g
    SET subscriber_count = (
            SELECT count(*) FROM newsletter_segment_members m WHERE m.segment_id = :segment ::uuid
        ),
        last_computed_at = :now
    WHERE {as_it_was}
    RETURNING g.id, g.subscriber_count
), known AS (
    INSERT INTO lamplighter.segments (segment_id, baseline_at)
    SELECT id, :now FROM finished
    ON CONFLICT DO NOTHING
)
SELECT subscriber_count FROM finished;

-- name: forget_joins$
WITH forgotten AS (
    DELETE FROM lamplighter.segment_joins
    WHERE id IN (
        SELECT id FROM lamplighter.segment_joins WHERE joined_at < :before LIMIT :size ::int
    )
    RETURNING 1
)
SELECT count(*) FROM forgotten;
