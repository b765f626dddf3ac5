-- name: drop_calls!
-- Nobody waits for their answers any more: whoever left, and steps that were removed.
UPDATE lamplighter.webhook_calls w
SET done_at = :now, error = 'not made: the person left the sequence, or the step is gone'
WHERE w.done_at IS NULL
    AND (
        NOT EXISTS (
            SELECT FROM newsletter_sequence_enrollments e
            WHERE e.id = w.enrollment_id AND e.status IN ('active', 'paused')
        )
        OR NOT EXISTS (SELECT FROM newsletter_sequence_steps st WHERE st.id = w.step_id)
    );

-- name: claim
-- An attempt is counted, and the next one set, before the call: a process that dies in it is one
-- that did not get through.
WITH due AS MATERIALIZED (
    SELECT w.id
    FROM lamplighter.webhook_calls w
    JOIN newsletter_sequence_enrollments e ON e.id = w.enrollment_id AND e.status = 'active'
    JOIN newsletter_sequences q ON q.id = e.sequence_id AND coalesce(q.status, 'active') = 'active'
    JOIN newsletter_subscribers s ON s.id = e.subscriber_id
    WHERE w.done_at IS NULL AND w.next_attempt_at <= :now AND w.step_id = ANY (:steps ::uuid[])
        AND coalesce(s.status, 'active') = 'active'
        AND NOT EXISTS (
            SELECT FROM lamplighter.suppressions x
            WHERE x.email = lower(s.email) AND x.lifted_at IS NULL
        )
    ORDER BY w.next_attempt_at, w.id
    LIMIT :size ::int
    FOR NO KEY UPDATE OF w SKIP LOCKED
), claimed AS (
    UPDATE lamplighter.webhook_calls w
    SET attempts = w.attempts + 1,
        next_attempt_at = :now ::timestamptz
            + least(interval '1 minute' * 2 ^ least(w.attempts, 20), interval '6 hours')
    FROM due
    WHERE w.id = due.id
    RETURNING w.id, w.enrollment_id, w.step_id
)
SELECT c.id, c.enrollment_id, c.step_id, s.id AS subscriber_id, s.email,
    coalesce(s.first_name, '') AS first_name, coalesce(s.last_name, '') AS last_name,
    coalesce(u.display_name, s.first_name, '') AS name,
    coalesce(u.subscription_tier, s.subscription_tier, 'free') AS subscription_tier,
    q.name AS sequence, st.name AS step
FROM claimed c
JOIN newsletter_sequence_enrollments e ON e.id = c.enrollment_id
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
LEFT JOIN app_users u ON u.id = s.user_id
JOIN newsletter_sequences q ON q.id = e.sequence_id
JOIN newsletter_sequence_steps st ON st.id = c.step_id
ORDER BY c.id;

-- name: settle_answered^
WITH answered AS (
    UPDATE lamplighter.webhook_calls w
    SET done_at = :now, error = NULL
    WHERE w.id = ANY (:ids ::uuid[]) AND w.done_at IS NULL
    RETURNING w.enrollment_id, w.step_id
), moved AS (
    UPDATE newsletter_sequence_enrollments e
    SET current_step = p.step_order,
        status = CASE WHEN p.next_delay IS NULL THEN 'completed' ELSE e.status END,
        completed_at = CASE WHEN p.next_delay IS NULL THEN :now ELSE e.completed_at END,
        next_step_at = :now ::timestamptz + p.next_delay
    FROM answered a
    JOIN unnest(:steps ::uuid[], :orders ::int[], :next_delays ::interval[])
        AS p (step_id, step_order, next_delay) ON p.step_id = a.step_id
    WHERE e.id = a.enrollment_id AND e.status = 'active'
        AND coalesce(e.current_step, 0) < p.step_order
    RETURNING e.status
)
SELECT count(*) AS processed, count(*) FILTER (WHERE status = 'completed') AS completed FROM moved;

-- name: settle_failed$
-- After so many attempts the way of that person through the sequence ends as failed.
WITH failed AS (
    UPDATE lamplighter.webhook_calls w
    SET error = f.error, done_at = CASE WHEN w.attempts >= :attempts ::int THEN :now ::timestamptz END
    FROM unnest(:ids ::uuid[], :errors ::text[]) AS f (id, error)
    WHERE w.id = f.id AND w.done_at IS NULL
    RETURNING w.enrollment_id, w.done_at
), ended AS (
    UPDATE newsletter_sequence_enrollments e
    SET status = 'failed', next_step_at = NULL
    FROM failed
    WHERE e.id = failed.enrollment_id AND failed.done_at IS NOT NULL AND e.status = 'active'
    RETURNING 1
)
SELECT count(*) FROM ended;
