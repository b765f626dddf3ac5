-- What the pages show of many runs. Each query reads at most what its LIMITs allow, however long the
-- history is.

-- fragment: numbers
-- Of a result only how much there was: its numbers, and the lengths of its lists.
(SELECT jsonb_object_agg(n.key, CASE jsonb_typeof(n.value) WHEN 'array'
                                THEN to_jsonb(jsonb_array_length(n.value)) ELSE n.value END)
 FROM (SELECT key, value FROM jsonb_each(
           CASE jsonb_typeof(r.data) WHEN 'object' THEN r.data ELSE '{}'::jsonb END)
       WHERE jsonb_typeof(value) IN ('number', 'array') LIMIT 50) AS n)

-- name: rows
-- For each job its last run, and the statuses of the runs before it, oldest first.
SELECT j.job, l.id, l.status, l.trigger, l.started_at, l.finished_at, l.created_at, l.numbers,
       l.reason, s.statuses
FROM unnest(:jobs ::text[]) AS j(job)
LEFT JOIN LATERAL (
    SELECT r.id, r.status, r.trigger, r.started_at, r.finished_at, r.created_at,
           {numbers} AS numbers,
           left(CASE jsonb_typeof(r.data) WHEN 'object' THEN r.data ->> 'reason' END, 300) AS reason
    FROM lamplighter.runs r WHERE r.job = j.job ORDER BY r.seq DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (
    SELECT array_agg(CASE WHEN r.trigger = 'catch_up' AND r.status = 'succeeded'
                          THEN 'caught_up' ELSE r.status END ORDER BY r.seq) AS statuses
    FROM (SELECT seq, status, trigger FROM lamplighter.runs
          WHERE job = j.job ORDER BY seq DESC LIMIT :most) AS r) s ON true;

-- name: lateness^
-- How late the last runs began that the clock asked for.
SELECT count(*) AS runs,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY late) AS p99,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY late) AS p50
FROM (SELECT extract(epoch FROM r.started_at - r.scheduled_for) ::float8 AS late
      FROM (SELECT trigger, started_at, scheduled_for FROM lamplighter.runs
            ORDER BY seq DESC LIMIT :most) AS r
      WHERE r.trigger = 'schedule' AND r.started_at IS NOT NULL) AS l;

-- name: over_time
-- A job's last runs, newest first, with how long they took and how much they did.
SELECT r.id, r.seq, r.status, r.trigger, r.scheduled_for, r.started_at, r.finished_at,
       {numbers} AS numbers
FROM lamplighter.runs r
WHERE r.job = :job
ORDER BY r.seq DESC
LIMIT :most;

-- name: all_runs
SELECT * FROM (SELECT * FROM lamplighter.runs WHERE seq < :before ORDER BY seq DESC LIMIT :window) AS r
WHERE :trigger ::text IS NULL OR trigger = :trigger
ORDER BY seq DESC LIMIT :most;

-- name: runs_of_status
SELECT * FROM (SELECT * FROM lamplighter.runs WHERE status = :status AND seq < :before
               ORDER BY seq DESC LIMIT :window) AS r
WHERE :trigger ::text IS NULL OR trigger = :trigger
ORDER BY seq DESC LIMIT :most;

-- name: runs_of_job
SELECT * FROM (SELECT * FROM lamplighter.runs WHERE job = :job AND seq < :before
               ORDER BY seq DESC LIMIT :window) AS r
WHERE :trigger ::text IS NULL OR trigger = :trigger
ORDER BY seq DESC LIMIT :most;

-- name: runs_of_job_and_status
SELECT * FROM (SELECT * FROM lamplighter.runs WHERE job = :job AND status = :status AND seq < :before
               ORDER BY seq DESC LIMIT :window) AS r
WHERE :trigger ::text IS NULL OR trigger = :trigger
ORDER BY seq DESC LIMIT :most;

-- name: end_of_all_runs$
SELECT seq FROM lamplighter.runs WHERE seq < :before ORDER BY seq DESC OFFSET :window - 1 LIMIT 1;

-- name: end_of_runs_of_status$
SELECT seq FROM lamplighter.runs WHERE status = :status AND seq < :before
ORDER BY seq DESC OFFSET :window - 1 LIMIT 1;

-- name: end_of_runs_of_job$
SELECT seq FROM lamplighter.runs WHERE job = :job AND seq < :before
ORDER BY seq DESC OFFSET :window - 1 LIMIT 1;

-- name: end_of_runs_of_job_and_status$
SELECT seq FROM lamplighter.runs WHERE job = :job AND status = :status AND seq < :before
ORDER BY seq DESC OFFSET :window - 1 LIMIT 1;

-- name: log_tail
-- The last lines of a run's log, newest first; fields are cut, the API has them whole.
SELECT seq, attempt, at, level, event, left(fields ::text, :most_fields) AS fields
FROM lamplighter.run_logs
WHERE run_id = :run_id AND seq < :before
ORDER BY seq DESC
LIMIT :most;

-- name: log_end$
SELECT max(seq) FROM lamplighter.run_logs WHERE run_id = :run_id;

-- name: activity
SELECT id, at, who, source, action, target, reason, detail
FROM (SELECT * FROM lamplighter.activity WHERE id < :before ORDER BY id DESC LIMIT :window) AS a
WHERE (:who ::text IS NULL OR who = :who)
  AND (:action ::text IS NULL OR action = :action)
  AND (:target ::text IS NULL OR target = :target)
ORDER BY id DESC LIMIT :most;

-- name: end_of_activity$
SELECT id FROM lamplighter.activity WHERE id < :before ORDER BY id DESC OFFSET :window - 1 LIMIT 1;
