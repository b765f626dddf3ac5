-- Every `old_...` gives the oldest rows that may go, after the last one given before (:at, :id), and
-- every `delete_...` asks again whether they may go and passes over those that somebody has locked.
-- Their time is text on the way, since PostgreSQL knows times that Python does not.

-- fragment: old_webhook
w.processed AND w.created_at < :before

-- name: old_webhooks
SELECT w.id, w.created_at ::text AS at
FROM payment_webhooks w
WHERE {old_webhook}
    AND w.created_at >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (w.created_at, w.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY w.created_at, w.id
LIMIT :size ::int;

-- name: delete_webhooks$
WITH deleted AS (
    DELETE FROM payment_webhooks
    WHERE id IN (
        SELECT w.id FROM payment_webhooks w
        WHERE w.id = ANY (:ids ::uuid[]) AND {old_webhook}
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: webhooks_left$
SELECT count(*) FROM (
    SELECT FROM payment_webhooks w WHERE {old_webhook} LIMIT :at_most ::int
) left_over;

-- name: rolled_up
SELECT job, at FROM lamplighter.watermarks WHERE job = ANY (:jobs ::text[]) AND key = '';

-- name: mark_cleaned!
-- Events before this may be gone.
INSERT INTO lamplighter.watermarks AS w (job, key, at)
VALUES ('cleanup', 'analytics_events', :before)
ON CONFLICT (job, key) DO UPDATE SET at = greatest(w.at, excluded.at);

-- name: rolled_up_days
SELECT date FROM analytics_daily WHERE date BETWEEN '1900-01-01' AND :last_day ORDER BY date;

-- name: old_events
SELECT e.id, e.{events_time} ::text AS at
FROM analytics_events e
WHERE e.{events_time} < :before
    AND e.{events_time} >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (e.{events_time}, e.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY e.{events_time}, e.id
LIMIT :size ::int;

-- name: delete_events$
WITH deleted AS (
    DELETE FROM analytics_events
    WHERE id IN (
        SELECT e.id FROM analytics_events e
        WHERE e.id = ANY (:ids ::uuid[]) AND e.{events_time} < :before
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: events_left$
SELECT count(*) FROM (
    SELECT
    FROM unnest(:starts ::timestamptz[], :ends ::timestamptz[]) AS span (first, before)
    JOIN analytics_events e
        ON e.{events_time} >= coalesce(span.first, '-infinity') AND e.{events_time} < span.before
    LIMIT :at_most ::int
) left_over;

-- fragment: finished_run
r.finished_at < :before AND r.status NOT IN ('queued', 'running', 'retrying')

-- name: last_runs_kept
-- For each job with more finished runs than are kept: the first of those that are kept.
SELECT jobs.job, kept.seq
FROM (SELECT DISTINCT job FROM lamplighter.runs) jobs
CROSS JOIN LATERAL (
    SELECT r.seq
    FROM lamplighter.runs r
    WHERE r.job = jobs.job AND r.finished_at IS NOT NULL
    ORDER BY r.seq DESC
    OFFSET :keep ::int - 1
    LIMIT 1
) kept;

-- name: old_runs
SELECT r.id, r.finished_at ::text AS at
FROM lamplighter.runs r
JOIN unnest(:jobs ::text[], :kept ::bigint[]) AS keep (job, seq)
    ON keep.job = r.job AND r.seq < keep.seq
WHERE {finished_run}
    AND r.finished_at >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (r.finished_at, r.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY r.finished_at, r.id
LIMIT :size ::int;

-- name: delete_runs$
WITH deleted AS (
    DELETE FROM lamplighter.runs
    WHERE id IN (
        SELECT r.id FROM lamplighter.runs r
        WHERE r.id = ANY (:ids ::uuid[]) AND {finished_run}
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: runs_left$
SELECT count(*) FROM (
    SELECT
    FROM lamplighter.runs r
    JOIN unnest(:jobs ::text[], :kept ::bigint[]) AS keep (job, seq)
        ON keep.job = r.job AND r.seq < keep.seq
    WHERE {finished_run}
    LIMIT :at_most ::int
) left_over;
