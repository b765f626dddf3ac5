-- name: add_cohorts!
INSERT INTO analytics_cohorts (name, slug, cohort_type, granularity, metric)
SELECT metric, metric, 'signup_date', 'week', metric
FROM unnest(ARRAY['retention', 'generations', 'engagement']) AS metric;

-- name: by_hand
-- Week by week: faster than grouping all events by week at once, in one process or in three.
WITH members AS MATERIALIZED (
    SELECT id AS user_id, date_trunc('week', created_at) AS cohort
    FROM app_users
    WHERE created_at >= :since ::timestamptz
), weeks AS (
    SELECT :since ::timestamptz + n * interval '7 days' AS week FROM generate_series(0, 11) n
)
SELECT counts.cohort, w.week, counts.people
FROM weeks w
CROSS JOIN LATERAL (
    SELECT cohort, count(*) AS people
    FROM (
        SELECT DISTINCT m.cohort, m.user_id
        FROM analytics_events e
        JOIN members m ON m.user_id = e.user_id
        WHERE e."timestamp" >= w.week AND e."timestamp" < w.week + interval '7 days'
            AND m.cohort <= w.week
    ) seen
    GROUP BY cohort
) counts;

-- name: stored
SELECT cohort_data FROM analytics_cohorts WHERE slug = 'retention';

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at) ::float8
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;
