-- Columns of the queue that the product left NULL count as their defaults. A message of a sequence
-- waits as 'scheduled' without a time: senders other than this one look for a time that has come, or
-- for 'pending' and 'failed', and would send its templates as they are.

-- fragment: due_at
-- When the message was to go. A message that was tried is due when it is to be tried again.
CASE WHEN coalesce(q.attempts, 0) > 0
    THEN coalesce(q.next_retry_at, q.scheduled_at, q.created_at, :now)
    ELSE coalesce(q.scheduled_at, q.created_at, :now)
END

-- fragment: waiting
(
    q.status IN ('pending', 'scheduled')
    OR (q.status = 'failed' AND q.next_retry_at IS NOT NULL
        AND coalesce(q.attempts, 0) < coalesce(q.max_attempts, 3))
)
AND (q.status <> 'scheduled' OR q.scheduled_at IS NOT NULL OR o.queue_id IS NOT NULL)
AND coalesce(q.scheduled_at, '-infinity') <= :now
AND coalesce(q.next_retry_at, '-infinity') <= :now

-- fragment: sendable
-- What sequences queued, and of what the product queued that which was due after lamplighter came.
{waiting}
AND {due_at} >= :oldest
AND CASE WHEN o.queue_id IS NOT NULL THEN :ours ::boolean AND o.step_id <> ALL (:held ::uuid[])
    ELSE :theirs ::boolean AND {due_at} >= :came ::timestamptz END

-- fragment: owned
s.queue_id = q.id AND s.run_id = :run_id AND s.attempt = :attempt

-- name: came$
SELECT at FROM lamplighter.watermarks WHERE job = 'process-email-queue' AND key = 'came';

-- name: paused$
SELECT EXISTS (SELECT FROM lamplighter.conditions WHERE name = :name);

-- name: transactional
-- Templates of messages that people get whether they read the newsletter or not.
SELECT id FROM email_templates WHERE category IN ('transactional', 'system');

-- name: held
-- Steps of sequences that are paused: what they have queued waits too.
SELECT t.id
FROM newsletter_sequence_steps t
JOIN newsletter_sequences c ON c.id = t.sequence_id
WHERE c.status IN ('paused', 'draft');

-- name: release_dead$
-- What runs left that have ended, or that go on as another attempt.
WITH dead AS (
    DELETE FROM lamplighter.sending s
    WHERE NOT EXISTS (
        SELECT FROM lamplighter.runs r
        WHERE r.id = s.run_id AND r.attempt = s.attempt AND r.status = 'running'
    )
    RETURNING queue_id
), released AS (
    UPDATE email_queue q
    SET status = CASE WHEN EXISTS (SELECT FROM lamplighter.outbox o WHERE o.queue_id = q.id)
            THEN 'scheduled' ELSE 'pending' END,
        updated_at = :now
    FROM dead
    WHERE q.id = dead.queue_id AND q.status = 'processing'
    RETURNING 1
)
SELECT count(*) FROM released;

-- name: expire$
WITH late AS (
    SELECT q.id
    FROM lamplighter.outbox o
    JOIN email_queue q ON q.id = o.queue_id
    WHERE {waiting} AND {due_at} < :oldest
    LIMIT :size ::int
    FOR UPDATE OF q SKIP LOCKED
), expired AS (
    UPDATE email_queue q
    SET status = 'cancelled', error = :why ::text, error_code = 'expired', next_retry_at = NULL,
        updated_at = :now
    FROM late
    WHERE q.id = late.id
    RETURNING 1
)
SELECT count(*) FROM expired;

-- name: left_alone$
-- The product's own that are due and not ours to send, as far as it is worth counting.
SELECT count(*) FROM (
    SELECT
    FROM email_queue q
    LEFT JOIN lamplighter.outbox o ON o.queue_id = q.id
    WHERE {waiting}
        AND NOT (:theirs ::boolean AND {due_at} >= :came ::timestamptz AND {due_at} >= :oldest)
        AND o.queue_id IS NULL
    LIMIT :at_most ::int
) rows;

-- name: any_due$
SELECT EXISTS (
    SELECT
    FROM email_queue q
    LEFT JOIN lamplighter.outbox o ON o.queue_id = q.id
    WHERE {sendable}
);

-- name: claim
-- Those that met trouble before come last, so that they do not keep the others waiting.
WITH due AS (
    SELECT q.id
    FROM email_queue q
    LEFT JOIN lamplighter.outbox o ON o.queue_id = q.id
    WHERE {sendable} AND (coalesce(q.error_code, '') = 'outbox') = :met_trouble ::boolean
    ORDER BY coalesce(q.priority, 0) DESC, coalesce(q.scheduled_at, q.created_at, :now), q.id
    LIMIT :size ::int
    FOR UPDATE OF q SKIP LOCKED
), taken AS (
    UPDATE email_queue q
    SET status = 'processing', last_attempt_at = :now, updated_at = :now
    FROM due
    WHERE q.id = due.id
    RETURNING q.*
), noted AS (
    INSERT INTO lamplighter.sending (queue_id, run_id, attempt, claimed_at)
    SELECT id, :run_id, :attempt, :now FROM taken
    ON CONFLICT (queue_id) DO UPDATE
        SET run_id = excluded.run_id, attempt = excluded.attempt, claimed_at = excluded.claimed_at
)
SELECT q.id, o.queue_id IS NOT NULL AS ours, q.to_email, q.to_name, q.cc_emails, q.bcc_emails,
    q.from_email, q.from_name, q.reply_to, q.subject, q.html_body, q.text_body, q.template_id,
    q.template_data, q.attachments, q.tracking_data, greatest(q.attempts, 0) AS attempts,
    coalesce(q.max_attempts, 3) AS max_attempts
FROM taken q
LEFT JOIN lamplighter.outbox o ON o.queue_id = q.id
ORDER BY coalesce(q.priority, 0) DESC, coalesce(q.scheduled_at, q.created_at, :now), q.id;

-- fragment: to_whom
q.status = 'processing' AS wanted,
    ARRAY(
        SELECT x.email
        FROM lamplighter.suppressions x
        WHERE x.email = ANY (:emails ::text[]) AND x.lifted_at IS NULL
            AND NOT (:transactional ::boolean AND x.reason = 'unsubscribed')
    ) AS suppressed,
    -- Nothing is written here but the lock on the run, which need not outlast a crash of the server.
    set_config('synchronous_commit', 'off', true)

-- name: check^
-- Just before it is sent: is it still to be sent, and to whom of them may nobody write?
SELECT {to_whom}, true AS reads, true AS goes_on
FROM email_queue q
JOIN lamplighter.sending s ON {owned}
WHERE q.id = :id;

-- name: check_step^
-- The same for a message of a sequence: its reader, as the product says, reads still, and the sequence
-- has not been given up.
SELECT {to_whom},
    EXISTS (
        SELECT FROM newsletter_subscribers r
        WHERE r.id = :subscriber_id AND coalesce(r.status, 'active') = 'active'
    ) AS reads,
    EXISTS (
        SELECT FROM newsletter_sequences c
        WHERE c.id = :sequence_id AND coalesce(c.status, 'active') <> 'archived'
    ) AS goes_on
FROM email_queue q
JOIN lamplighter.sending s ON {owned}
WHERE q.id = :id;
