-- Columns of the queue that the product left NULL count as their defaults.

-- fragment: due_at
-- When the message was to go. A message that was tried is due when it is to be tried again.
CASE WHEN coalesce(q.attempts, 0) > 0
    THEN coalesce(q.next_retry_at, q.scheduled_at, q.created_at, :now)
    ELSE coalesce(q.scheduled_at, q.created_at, :now)
END

-- fragment: waiting
(
    q.status = 'pending'
    OR (q.status = 'scheduled' AND q.scheduled_at IS NOT NULL)
    OR (q.status = 'failed' AND q.next_retry_at IS NOT NULL
        AND coalesce(q.attempts, 0) < coalesce(q.max_attempts, 3))
)
AND coalesce(q.scheduled_at, '-infinity') <= :now
AND coalesce(q.next_retry_at, '-infinity') <= :now

-- fragment: sendable
-- What sequences queued, and of what the product queued that which was due after lamplighter came.
{waiting}
AND {due_at} >= :oldest
AND CASE WHEN o.queue_id IS NOT NULL THEN :ours ::boolean
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
    SET status = 'pending', updated_at = :now
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
    WHERE {waiting}
        AND NOT (:theirs ::boolean AND {due_at} >= :came ::timestamptz AND {due_at} >= :oldest)
        AND NOT EXISTS (SELECT FROM lamplighter.outbox o WHERE o.queue_id = q.id)
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
    q.template_data, q.attachments, q.tracking_data, coalesce(q.attempts, 0) AS attempts,
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
    ) AS suppressed

-- name: check^
-- Just before it is sent: is it still to be sent, and to whom of them may nobody write?
SELECT {to_whom}, true AS reads
FROM email_queue q
JOIN lamplighter.sending s ON {owned}
WHERE q.id = :id;

-- name: check_step^
-- The same for a message of a sequence: its reader, as the product says, reads still.
SELECT {to_whom},
    EXISTS (
        SELECT FROM newsletter_subscribers r
        WHERE r.id = :subscriber_id AND coalesce(r.status, 'active') = 'active'
    ) AS reads
FROM email_queue q
JOIN lamplighter.sending s ON {owned}
WHERE q.id = :id;

-- name: mark_sent$
WITH marked AS (
    UPDATE email_queue q
    SET status = 'sent', sent_at = :now, message_id = :message_id,
        attempts = coalesce(q.attempts, 0) + 1, error = NULL, error_code = NULL,
        next_retry_at = NULL, updated_at = :now
    FROM lamplighter.sending s
    WHERE q.id = :id AND {owned}
    RETURNING q.id, q.to_email, q.user_id
), freed AS (
    DELETE FROM lamplighter.sending WHERE queue_id IN (SELECT id FROM marked)
), logged AS (
    INSERT INTO email_logs
        (id, queue_id, message_id, to_email, user_id, subject, status, smtp_response, smtp_code,
         created_at, sent_at)
    SELECT lamplighter.new_id(), id, :message_id, to_email, user_id, :subject, 'sent', :said,
        :code ::int, :now, :now
    FROM marked
)
SELECT count(*) FROM marked;

-- name: mark_sent_only$
-- Where the product's database refuses what goes with it: that it was sent is what counts.
WITH marked AS (
    UPDATE email_queue q
    SET status = 'sent', sent_at = :now, message_id = :message_id
    FROM lamplighter.sending s
    WHERE q.id = :id AND {owned}
    RETURNING q.id
), freed AS (
    DELETE FROM lamplighter.sending WHERE queue_id IN (SELECT id FROM marked)
)
SELECT count(*) FROM marked;

-- name: settle$
-- Whatever came of it but its being sent. `used` is whether it uses up an attempt.
WITH settled AS (
    UPDATE email_queue q
    SET status = :status ::text, attempts = coalesce(q.attempts, 0) + :used ::int,
        next_retry_at = :retry_at ::timestamptz, error = :error ::text,
        error_code = :error_code ::text, updated_at = :now,
        bounced_at = CASE WHEN :bounced ::boolean THEN :now ELSE q.bounced_at END
    FROM lamplighter.sending s
    WHERE q.id = :id AND {owned}
        -- Somebody may have cancelled it meanwhile.
        AND q.status = 'processing'
    RETURNING q.id
), freed AS (
    DELETE FROM lamplighter.sending s
    WHERE s.queue_id = :id AND s.run_id = :run_id AND s.attempt = :attempt
)
SELECT count(*) FROM settled;

-- name: log_refusal!
INSERT INTO email_logs
    (id, queue_id, message_id, to_email, user_id, subject, status, smtp_response, smtp_code, error,
     bounce_type, bounce_reason, created_at, bounced_at)
SELECT lamplighter.new_id(), q.id, :message_id ::text, :email ::text, q.user_id, :subject ::text,
    CASE WHEN :bounced ::boolean THEN 'bounced' ELSE 'failed' END, :said ::text, :code ::int, :said,
    CASE WHEN :bounced THEN 'hard' END, CASE WHEN :bounced THEN :said END, :now ::timestamptz,
    CASE WHEN :bounced THEN :now END
FROM email_queue q
WHERE q.id = :id;

-- name: add_event!
-- Only of what is still there: somebody may have deleted it meanwhile.
WITH event AS (
    INSERT INTO email_events
        (id, subscriber_id, sequence_id, step_id, event_type, email, provider, provider_event_id,
         occurred_at)
    SELECT lamplighter.new_id(), s.id, q.id, t.id, :event_type ::text, :email ::text, 'smtp',
        :message_id ::text, :now ::timestamptz
    FROM (SELECT) one
    LEFT JOIN newsletter_subscribers s ON s.id = :subscriber_id
    LEFT JOIN newsletter_sequences q ON q.id = :sequence_id
    LEFT JOIN newsletter_sequence_steps t ON t.id = :step_id
)
UPDATE newsletter_sequence_steps
SET emails_sent = coalesce(emails_sent, 0) + 1
WHERE id = :step_id AND :event_type ::text = 'sent';

-- name: release!
-- What this attempt has claimed and not sent.
WITH mine AS (
    DELETE FROM lamplighter.sending
    WHERE run_id = :run_id AND attempt = :attempt
    RETURNING queue_id
)
UPDATE email_queue q
SET status = 'pending', updated_at = :now
FROM mine
WHERE q.id = mine.queue_id AND q.status = 'processing';
