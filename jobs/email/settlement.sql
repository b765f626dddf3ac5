-- What is written of a message when it is settled; only by the attempt that has claimed it.

-- fragment: attempts
-- Before this one. A number that leaves no room for another is the product's own affair.
least(coalesce(q.attempts, 0), 2147483646)

-- fragment: owned
s.queue_id = q.id AND s.run_id = :run_id AND s.attempt = :attempt

-- fragment: marked_sent
marked AS (
    UPDATE email_queue q
    SET status = 'sent', sent_at = :now, message_id = :message_id,
        attempts = {attempts} + 1, error = NULL, error_code = NULL,
        next_retry_at = NULL, updated_at = :now
    FROM lamplighter.sending s
    WHERE q.id = :id AND {owned}
    RETURNING q.id, q.to_email, q.user_id
), freed AS (
    DELETE FROM lamplighter.sending WHERE queue_id IN (SELECT id FROM marked)
)

-- fragment: logged_sent
logged AS (
    INSERT INTO email_logs
        (id, queue_id, message_id, to_email, user_id, subject, status, smtp_response, smtp_code,
         created_at, sent_at)
    SELECT lamplighter.new_id(), id, :message_id, to_email, user_id, :subject, 'sent', :said,
        :code ::int, :now, :now
    FROM marked
)

-- fragment: event
INSERT INTO email_events
    (id, subscriber_id, sequence_id, step_id, event_type, email, provider, provider_event_id,
     occurred_at)
SELECT lamplighter.new_id(), r.id, c.id, t.id, :event_type ::text, :email ::text, 'smtp',
    :message_id, :now ::timestamptz

-- fragment: still_there
-- Of an event only what nobody has deleted meanwhile.
LEFT JOIN newsletter_subscribers r ON r.id = :subscriber_id
LEFT JOIN newsletter_sequences c ON c.id = :sequence_id
LEFT JOIN newsletter_sequence_steps t ON t.id = :step_id

-- name: mark_sent$
WITH {marked_sent}, {logged_sent}
SELECT count(*) FROM marked;

-- name: mark_step_sent$
-- The same for a message of a sequence, in one statement: the less time, the fewer messages twice.
WITH {marked_sent}, {logged_sent}, event AS (
    {event}
    FROM marked
    {still_there}
), counted AS (
    UPDATE newsletter_sequence_steps
    SET emails_sent = coalesce(emails_sent, 0) + 1
    WHERE id = :step_id AND EXISTS (SELECT FROM marked)
)
SELECT count(*) FROM marked;

-- name: mark_sent_only$
-- Where the database of the product refuses what goes with it: that it was sent is what counts.
WITH {marked_sent}
SELECT count(*) FROM marked;

-- name: settle$
-- Whatever came of it but its being sent. `used` is whether it uses up an attempt.
WITH settled AS (
    UPDATE email_queue q
    SET status = :status ::text, attempts = {attempts} + :used ::int,
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
{event}
FROM (SELECT) one
{still_there};

-- name: release!
-- What this attempt has claimed and not sent.
WITH mine AS (
    DELETE FROM lamplighter.sending
    WHERE run_id = :run_id AND attempt = :attempt
    RETURNING queue_id
)
UPDATE email_queue q
SET status = CASE WHEN EXISTS (SELECT FROM lamplighter.outbox o WHERE o.queue_id = q.id)
        THEN 'scheduled' ELSE 'pending' END,
    updated_at = :now
FROM mine
WHERE q.id = mine.queue_id AND q.status = 'processing';
