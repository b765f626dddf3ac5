-- name: fire
SELECT ordinal, run_id, outcome
FROM lamplighter.fire(:fires ::jsonb, :replica, :clock, :slots, :marks ::jsonb)
ORDER BY ordinal;

-- name: claim
SELECT * FROM lamplighter.claim(:replica, :clock, :most, :known_types ::text[], :only ::uuid);

-- name: heartbeat
-- Keeps the leases of the named attempts; an attempt that is not answered is no longer ours.
WITH mine AS (
    SELECT * FROM unnest(:run_ids ::uuid[], :attempts ::int[], :done ::bigint[], :total ::bigint[])
        AS m(run_id, attempt, done, total)
), beaten AS (
    UPDATE lamplighter.attempts a
    SET heartbeat_at = clock_timestamp()
    FROM mine m
    WHERE a.run_id = m.run_id AND a.attempt = m.attempt AND a.status = 'running'
    RETURNING a.run_id
), progressed AS (
    UPDATE lamplighter.runs r
    SET progress_done = m.done, progress_total = m.total
    FROM mine m
    WHERE r.id = m.run_id AND r.attempt = m.attempt AND r.status = 'running'
      AND (r.progress_done, r.progress_total) IS DISTINCT FROM (m.done, m.total)
)
SELECT r.id AS run_id, r.cancel_requested_at IS NOT NULL AS cancel
FROM beaten b JOIN lamplighter.runs r ON r.id = b.run_id;

-- fragment: settled
-- It may have failed before it heard that it was to stop: then it is not attempted again.
CASE WHEN :status ::text = 'retrying' AND r.cancel_requested_at IS NOT NULL
     THEN 'cancelled' ELSE :status ::text END

-- name: settle^
-- Ends an attempt, if it still owns its run; no row where it does not.
WITH attempt_ended AS (
    UPDATE lamplighter.attempts a
    SET status = :attempt_status, finished_at = :clock,
        error_type = :error_type, error_message = :error_message
    WHERE a.run_id = :run_id AND a.attempt = :attempt AND a.status = 'running'
    RETURNING a.run_id
)
UPDATE lamplighter.runs r
SET status = {settled},
    finished_at = CASE WHEN {settled} = 'retrying' THEN NULL ELSE :clock ::timestamptz END,
    next_attempt_at = CASE WHEN {settled} = 'retrying' THEN :next_attempt_at ::timestamptz END,
    next_cause = :next_cause,
    data = :data,
    -- Who asked for the end, and why, says more than what the job makes of it.
    error_type = CASE WHEN {settled} = 'cancelled'
                      THEN coalesce(r.error_type, :error_type) ELSE :error_type END,
    error_message = CASE WHEN {settled} = 'cancelled'
                         THEN coalesce(r.error_message, :error_message) ELSE :error_message END,
    progress_done = coalesce(:done, r.progress_done),
    progress_total = coalesce(:total, r.progress_total)
FROM attempt_ended e
WHERE r.id = e.run_id AND r.attempt = :attempt AND r.status = 'running'
RETURNING r.status;

-- name: rescue
-- Takes the runs of processes that gave no sign of life for a whole lease, and of those known dead.
WITH dead AS (
    SELECT a.run_id, a.attempt, a.replica
    FROM lamplighter.attempts a
    WHERE a.status = 'running'
      AND (a.heartbeat_at < clock_timestamp() - :lease ::interval OR a.replica = ANY (:dead ::text[]))
    FOR UPDATE SKIP LOCKED
), attempt_ended AS (
    UPDATE lamplighter.attempts a
    SET status = 'abandoned', finished_at = :clock, error_type = 'Abandoned',
        error_message = a.replica || ' gave no sign of life'
    FROM dead d
    WHERE a.run_id = d.run_id AND a.attempt = d.attempt
)
UPDATE lamplighter.runs r
SET status = CASE WHEN r.cancel_requested_at IS NOT NULL THEN 'cancelled'
                  WHEN r.attempt < r.max_attempts THEN 'retrying'
                  ELSE 'abandoned' END,
    finished_at = CASE WHEN r.cancel_requested_at IS NULL AND r.attempt < r.max_attempts
                       THEN NULL ELSE :clock ::timestamptz END,
    next_attempt_at = CASE WHEN r.cancel_requested_at IS NULL AND r.attempt < r.max_attempts
                           THEN :clock ::timestamptz END,
    next_cause = 'rescue',
    error_type = 'Abandoned',
    error_message = d.replica || ' gave no sign of life'
FROM dead d
WHERE r.id = d.run_id AND r.attempt = d.attempt AND r.status = 'running'
RETURNING r.id, r.job, r.attempt, r.status, d.replica;

-- name: cancel^
-- Ends a run that has not begun or waits for its next attempt; asks a running one to stop.
UPDATE lamplighter.runs r
SET status = CASE r.status WHEN 'running' THEN 'running' ELSE 'cancelled' END,
    finished_at = CASE r.status WHEN 'running' THEN NULL ELSE :clock ::timestamptz END,
    next_attempt_at = NULL,
    cancel_requested_at = coalesce(r.cancel_requested_at, :clock),
    error_type = 'Cancelled',
    error_message = :message
WHERE r.id = :run_id AND r.status IN ('queued', 'running', 'retrying')
RETURNING r.job, r.status;

-- name: append_logs!
-- In their order: that is what `seq` keeps.
INSERT INTO lamplighter.run_logs (run_id, attempt, at, level, event, fields)
SELECT x.run_id, x.attempt, x.at, x.level, x.event, x.fields
FROM ROWS FROM (
    jsonb_to_recordset(:lines ::jsonb)
        AS (run_id uuid, attempt int, at timestamptz, level text, event text, fields jsonb)
    ) WITH ORDINALITY AS x(run_id, attempt, at, level, event, fields, n)
WHERE EXISTS (SELECT FROM lamplighter.runs r WHERE r.id = x.run_id)
ORDER BY x.n;

-- name: run^
SELECT * FROM lamplighter.runs WHERE id = :run_id;

-- name: attempts
SELECT attempt, cause, replica, status, started_at, finished_at, error_type, error_message
FROM lamplighter.attempts WHERE run_id = :run_id ORDER BY attempt;

-- name: log_lines
SELECT attempt, at, level, event, fields
FROM lamplighter.run_logs WHERE run_id = :run_id ORDER BY seq;

-- name: states
-- What health and the job list say of each entry: its last run, its last success, its failures since.
SELECT e.job,
       l.status AS last_status, l.id AS last_run_id,
       s.finished_at AS last_success_at, s.scheduled_for AS last_success_for,
       coalesce(f.failures, 0) AS failures,
       EXISTS (SELECT FROM lamplighter.runs a
               WHERE a.job = e.job AND a.status = 'running') AS running
FROM unnest(:jobs ::text[]) AS e(job)
LEFT JOIN LATERAL (
    -- Only what ran to an end of its own says how the job is: not what was skipped or cancelled,
    -- nor what somebody asked of a thing that is not there.
    SELECT r.id, r.status FROM lamplighter.runs r
    WHERE r.job = e.job AND r.attempt > 0
      AND r.status IN ('succeeded', 'skipped', 'failed', 'timed_out', 'abandoned')
      AND r.error_type IS DISTINCT FROM 'NotFoundError'
    ORDER BY r.seq DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (
    SELECT r.seq, r.finished_at, r.scheduled_for FROM lamplighter.runs r
    WHERE r.job = e.job AND (r.status = 'succeeded' OR (r.status = 'skipped' AND r.attempt > 0))
    ORDER BY r.seq DESC LIMIT 1) s ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS failures FROM (
        SELECT FROM lamplighter.runs r
        WHERE r.job = e.job AND r.seq > coalesce(s.seq, 0)
          AND r.status IN ('failed', 'timed_out', 'abandoned')
          AND r.error_type IS DISTINCT FROM 'NotFoundError'
        LIMIT 1000) AS n) f ON true;

-- name: last_run^
SELECT * FROM lamplighter.runs WHERE job = :job ORDER BY seq DESC LIMIT 1;
