-- name: add_funnel!
INSERT INTO analytics_funnels (id, name, slug, steps, window_days)
VALUES (gen_random_uuid(), 'Visit to plan', 'visit-to-plan',
    '[{"event": "page_view"}, {"event": "pricing_viewed"}, {"event": "trial_started"},
      {"event": "subscription_created"}]', 14)
ON CONFLICT (slug) DO NOTHING;

-- name: stored^
SELECT r.status, extract(epoch FROM r.finished_at - r.started_at) ::float8 AS seconds,
    (SELECT string_agg(s ->> 'count', '|' ORDER BY (s ->> 'step') ::int)
     FROM analytics_funnels f, jsonb_array_elements(f.step_metrics) s) AS counts
FROM lamplighter.runs r
ORDER BY r.seq DESC
LIMIT 1;

-- name: by_hand
-- The fastest exact statement for this one funnel that we could write: its counts and nothing else,
-- the rows that have nothing to add dropped after each step.
WITH e AS (
    SELECT user_id, CASE WHEN user_id IS NULL THEN session_id COLLATE "C" END AS session_id,
        "timestamp" AS at, id,
        CASE event_type WHEN 'page_view' THEN 1 WHEN 'pricing_viewed' THEN 2
            WHEN 'trial_started' THEN 3 ELSE 4 END AS step
    FROM analytics_events
    WHERE event_type IN ('page_view', 'pricing_viewed', 'trial_started', 'subscription_created')
        AND "timestamp" BETWEEN now() - interval '720 hours' AND now()
        AND (user_id IS NOT NULL OR session_id IS NOT NULL)
), one AS MATERIALIZED (
    SELECT * FROM (
        SELECT *, max(at) FILTER (WHERE step = 1) OVER w AS began
        FROM e
        WINDOW w AS (PARTITION BY user_id, session_id ORDER BY at, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) x
    WHERE CASE WHEN step = 1 THEN began IS NULL ELSE began >= at - interval '336 hours' END
), two AS MATERIALIZED (
    SELECT * FROM (
        SELECT user_id, session_id, at, id, step, max(began) FILTER (WHERE step = 2) OVER w AS began
        FROM one
        WHERE step > 1
        WINDOW w AS (PARTITION BY user_id, session_id ORDER BY at, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) x
    WHERE CASE WHEN step = 2 THEN began IS NULL ELSE began >= at - interval '336 hours' END
), three AS MATERIALIZED (
    SELECT * FROM (
        SELECT user_id, session_id, at, id, step, max(began) FILTER (WHERE step = 3) OVER w AS began
        FROM two
        WHERE step > 2
        WINDOW w AS (PARTITION BY user_id, session_id ORDER BY at, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) x
    WHERE CASE WHEN step = 3 THEN began IS NULL ELSE began >= at - interval '336 hours' END
)
SELECT (SELECT count(*) FROM one WHERE step = 1), (SELECT count(*) FROM two WHERE step = 2),
    (SELECT count(*) FROM three WHERE step = 3),
    (SELECT count(*) FROM (SELECT DISTINCT user_id, session_id FROM three WHERE step = 4) x);
