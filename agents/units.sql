-- One project in one batch: who works on it, how far it is, and how it ended.

-- name: hold$
-- Until the end of the transaction nobody else begins with this project.
SELECT pg_advisory_xact_lock(hashtextextended('lamplighter.unit:' || (:project ::uuid) ::text, 0)) IS NULL;

-- name: give_up_dead!
-- What a run that has ended, or an earlier attempt of this one, left at work.
UPDATE lamplighter.agent_units u
SET status = 'failed', error = 'the process that worked on it was stopped', finished_at = :now,
    next_attempt_at = :now
WHERE u.project_id = :project AND u.status = 'running' AND (u.run_id = :run OR NOT EXISTS (
    SELECT FROM lamplighter.runs r WHERE r.id = u.run_id AND r.status = 'running'));

-- name: give_up_left!
-- The same for all projects: what runs that are over, or an earlier attempt of this one, left at work.
UPDATE lamplighter.agent_units u
SET status = 'failed', error = 'the process that worked on it was stopped', finished_at = :now,
    next_attempt_at = :now
FROM lamplighter.runs r
WHERE u.status = 'running' AND r.id = u.run_id
    AND (u.run_id = :run OR r.status NOT IN ('queued', 'running', 'retrying'));

-- name: at_work^
SELECT run_id FROM lamplighter.agent_units WHERE project_id = :project AND status = 'running';

-- name: begin^
-- No row: this batch is done with the project.
INSERT INTO lamplighter.agent_units
    (id, project_id, scheduled_for, run_id, status, phase, attempts, started_at)
VALUES (lamplighter.new_id(), :project, :scheduled_for, :run, 'running', 'analyse', 1, :now)
ON CONFLICT (project_id, scheduled_for) DO UPDATE
SET run_id = excluded.run_id, status = 'running', phase = 'analyse',
    attempts = agent_units.attempts + 1, error = NULL, next_attempt_at = NULL, finished_at = NULL
WHERE agent_units.status = 'failed'
RETURNING id, attempts;

-- name: done_by^
-- What the run has done with the project for that batch, in an earlier attempt.
SELECT id FROM lamplighter.agent_units
WHERE project_id = :project AND scheduled_for = :scheduled_for AND run_id = :run
    AND status = 'succeeded';

-- name: set_phase!
UPDATE lamplighter.agent_units SET phase = :phase WHERE id = :unit;

-- name: succeed!
UPDATE lamplighter.agent_units
SET status = 'succeeded', phase = 'complete', error = NULL, finished_at = :now
WHERE id = :unit;

-- name: fail!
UPDATE lamplighter.agent_units
SET status = 'failed', error = :error, finished_at = :now, next_attempt_at = :next_attempt_at
WHERE id = :unit;

-- name: failed
-- Those that may be tried again.
SELECT u.id, u.project_id, u.scheduled_for, u.attempts
FROM lamplighter.agent_units u
WHERE u.status = 'failed' AND u.scheduled_for >= :since AND u.attempts < :most_attempts
    AND u.next_attempt_at <= :now
    -- A later batch has gone over the project as a whole meanwhile.
    AND NOT EXISTS (
        SELECT FROM lamplighter.agent_units later
        WHERE later.project_id = u.project_id AND later.scheduled_for > u.scheduled_for)
ORDER BY u.scheduled_for, u.id
LIMIT :most;
