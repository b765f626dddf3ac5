-- name: held
-- Steps of sequences that are paused or drafts: what they have queued waits too.
SELECT t.id
FROM newsletter_sequence_steps t
JOIN newsletter_sequences s ON s.id = t.sequence_id
WHERE s.status IN ('paused', 'draft')
LIMIT 5000;

-- name: came$
SELECT at FROM lamplighter.watermarks WHERE job = 'process-email-queue' AND key = 'came';

-- name: waiting
-- What is not sent yet, up to so many, by what it waits for, as process-email-queue would judge it.
WITH unsent AS MATERIALIZED (
    SELECT q.id, q.status, q.scheduled_at, q.next_retry_at, coalesce(q.attempts, 0) AS attempts,
        coalesce(q.scheduled_at, q.created_at, :now ::timestamptz) AS due_at
    FROM email_queue q
    WHERE q.status IN ('pending', 'scheduled')
    LIMIT :cap ::int + 1
)
SELECT waits, count(*) AS messages, extract(epoch FROM min(due_at)) ::float8 AS oldest
FROM (
    SELECT u.due_at,
        CASE
            WHEN o.step_id = ANY (:held ::uuid[]) THEN 'held'
            WHEN greatest(u.scheduled_at, u.next_retry_at) > :now ::timestamptz
                THEN CASE WHEN u.attempts > 0 THEN 'again' ELSE 'later' END
            WHEN o.step_id IS NULL AND (u.due_at < :came ::timestamptz
                    OR (u.status = 'scheduled' AND u.scheduled_at IS NULL)) THEN 'left'
            ELSE 'due'
        END AS waits
    FROM unsent u
    -- A limit keeps this a look-up for each: joined in another way, all of the outbox would be read.
    LEFT JOIN LATERAL (
        SELECT step_id FROM lamplighter.outbox WHERE queue_id = u.id LIMIT 1) AS o ON true
) AS judged
GROUP BY waits;

-- name: failed
-- Up to so many, by the code that their errors have.
SELECT left(error_code, 100) AS code, count(*) AS messages, left(max(error), 200) AS example,
    count(*) FILTER (WHERE next_retry_at IS NOT NULL
        AND coalesce(attempts, 0) < coalesce(max_attempts, 3)) AS again
FROM (
    SELECT error_code, error, next_retry_at, attempts, max_attempts
    FROM email_queue
    WHERE status = 'failed'
    LIMIT :cap ::int + 1
) AS bounded
GROUP BY error_code
ORDER BY count(*) DESC
LIMIT 20;

-- name: sending^
SELECT count(*) AS messages, min(claimed_at) AS oldest FROM lamplighter.sending;
