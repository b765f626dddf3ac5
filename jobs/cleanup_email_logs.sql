-- Every `old_...` gives the oldest rows that may go, after the last one given before (:at, :id), and
-- every `delete_...` asks again whether they may go and passes over those that somebody has locked.
-- Their time is text on the way, since PostgreSQL knows times that Python does not.

-- name: old_events
SELECT e.id, e.occurred_at ::text AS at
FROM email_events e
WHERE e.occurred_at < :before
    AND e.occurred_at >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (e.occurred_at, e.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY e.occurred_at, e.id
LIMIT :size ::int;

-- name: delete_events$
WITH deleted AS (
    DELETE FROM email_events
    WHERE id IN (
        SELECT e.id FROM email_events e
        WHERE e.id = ANY (:ids ::uuid[]) AND e.occurred_at < :before
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: old_logs
SELECT l.id, l.created_at ::text AS at
FROM email_logs l
WHERE l.created_at < :before
    AND l.created_at >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (l.created_at, l.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY l.created_at, l.id
LIMIT :size ::int;

-- name: delete_logs$
WITH deleted AS (
    DELETE FROM email_logs
    WHERE id IN (
        SELECT l.id FROM email_logs l
        WHERE l.id = ANY (:ids ::uuid[]) AND l.created_at < :before
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- fragment: finished
-- Nothing more happens to it: a failed message is finished once it is not tried again.
q.created_at < :before
AND coalesce(q.sent_at, q.last_attempt_at, q.scheduled_at, q.created_at) < :before
AND (
    q.status IN ('sent', 'cancelled')
    OR (q.status = 'failed'
        AND (q.next_retry_at IS NULL OR coalesce(q.attempts, 0) >= coalesce(q.max_attempts, 3)))
)

-- name: old_messages
SELECT q.id, q.created_at ::text AS at
FROM email_queue q
WHERE {finished}
    AND q.created_at >= coalesce(:at ::text ::timestamptz, '-infinity')
    AND (q.created_at, q.id) >= (coalesce(:at ::text ::timestamptz, '-infinity'), :id)
ORDER BY q.created_at, q.id
LIMIT :size ::int;

-- name: delete_messages$
WITH deleted AS (
    DELETE FROM email_queue
    WHERE id IN (
        SELECT q.id FROM email_queue q
        WHERE q.id = ANY (:ids ::uuid[]) AND {finished}
        FOR UPDATE SKIP LOCKED
    )
    RETURNING 1
)
SELECT count(*) FROM deleted;
