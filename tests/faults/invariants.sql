-- Each query finds what must never be, whatever was killed, cut or stopped before.

-- name: balances_that_differ
-- A balance is what the ledger's last row says. Users without a row have never been touched.
SELECT u.id ::text AS what, u.credits_remaining AS balance, c.balance_after AS ledger
FROM app_users u
JOIN (
    SELECT DISTINCT ON (user_id) user_id, balance_after
    FROM credit_transactions
    ORDER BY user_id, created_at DESC, id DESC
) c ON c.user_id = u.id
WHERE u.credits_remaining IS DISTINCT FROM c.balance_after
LIMIT 10;

-- name: users_reset_twice
-- One reset of a user for each day.
SELECT user_id ::text AS what, count(*) AS resets
FROM credit_transactions
WHERE type = 'daily_reset'
GROUP BY user_id, (created_at AT TIME ZONE 'UTC') ::date
HAVING count(*) > 1
LIMIT 10;

-- name: steps_with_two_messages
SELECT (q.tracking_data ->> 'enrollmentId') || ' ' || (q.tracking_data ->> 'stepId') AS what,
       count(*) AS messages
FROM email_queue q
WHERE q.reference_type = 'sequence_step'
GROUP BY q.tracking_data ->> 'enrollmentId', q.tracking_data ->> 'stepId'
HAVING count(*) > 1
LIMIT 10;

-- name: published_without_approval
SELECT s.id ::text AS what, s.status
FROM lamplighter.suggestions s
LEFT JOIN lamplighter.publications p ON p.suggestion_id = s.id
WHERE s.status = 'published' AND NOT s.is_sample AND NOT coalesce(p.by_itself, false)
  AND NOT EXISTS (
      SELECT FROM lamplighter.suggestion_events e
      WHERE e.suggestion_id = s.id AND e.action = 'approved'
  )
LIMIT 10;

-- name: published_twice
SELECT suggestion_id ::text AS what, count(*) AS times
FROM lamplighter.suggestion_events
WHERE action = 'published'
GROUP BY suggestion_id
HAVING count(*) > 1
LIMIT 10;

-- name: running_without_lease
SELECT r.id ::text AS what, r.job, r.status, a.status AS attempt, a.heartbeat_at
FROM lamplighter.runs r
LEFT JOIN lamplighter.attempts a ON a.run_id = r.id AND a.attempt = r.attempt
WHERE r.status = 'running'
  AND (a.status IS DISTINCT FROM 'running'
       OR a.heartbeat_at < clock_timestamp() - :lease ::interval)
LIMIT 10;

-- name: attempts_of_no_run
-- An attempt that runs belongs to a run that runs, and is its last.
SELECT a.run_id ::text || ' ' || a.attempt AS what, r.status
FROM lamplighter.attempts a JOIN lamplighter.runs r ON r.id = a.run_id
WHERE a.status = 'running' AND (r.status <> 'running' OR r.attempt <> a.attempt)
LIMIT 10;

-- name: ended_without_time
SELECT r.id ::text AS what, r.status
FROM lamplighter.runs r
WHERE (r.finished_at IS NULL) <> (r.status IN ('queued', 'running', 'retrying'))
LIMIT 10;

-- name: two_active_runs
-- Of one overlap key one run is running.
SELECT overlap_key AS what, count(*) AS runs
FROM lamplighter.runs
WHERE status = 'running'
GROUP BY overlap_key
HAVING count(*) > 1
LIMIT 10;

-- name: hours_behind_the_watermark
-- What aggregate-hourly says is done has its row.
SELECT date_trunc('hour', e.{events_time}) ::text AS what, count(*) AS events
FROM analytics_events e
WHERE e.{events_time} < (
    SELECT w.at FROM lamplighter.watermarks w WHERE w.job = 'aggregate-hourly' AND w.key = ''
)
AND NOT EXISTS (
    SELECT FROM lamplighter.rollups r
    WHERE r.rollup = 'hourly' AND r.starts_at <= e.{events_time} AND r.ends_at > e.{events_time}
)
GROUP BY 1
LIMIT 10;

-- name: fires
-- Every row that the clock made, as the fires that it stands for.
SELECT r.id, r.job, r.status, r.scheduled_for,
       coalesce((r.data ->> 'count') ::int, 1) AS count,
       (r.data ->> 'first') ::timestamptz AS first,
       (r.data ->> 'last') ::timestamptz AS last
FROM lamplighter.runs r
WHERE r.trigger IN ('schedule', 'catch_up')
ORDER BY r.seq;
