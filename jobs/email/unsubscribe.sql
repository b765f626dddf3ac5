-- name: subscriber^
SELECT email, coalesce(status, 'active') AS status
FROM newsletter_subscribers
WHERE id = :id;

-- name: cancel_enrollments!
UPDATE newsletter_sequence_enrollments
SET status = 'cancelled', next_step_at = NULL
WHERE subscriber_id = :id AND status IN ('active', 'paused');

-- name: cancel_messages!
-- Found by who was enrolled: the queue has no index on addresses.
UPDATE email_queue q
SET status = 'cancelled', error = 'unsubscribed by the link in a message', error_code = 'suppressed',
    next_retry_at = NULL, updated_at = :now
FROM newsletter_sequence_enrollments e
JOIN lamplighter.outbox o ON o.enrollment_id = e.id
WHERE e.subscriber_id = :id AND q.id = o.queue_id
    AND (q.status IN ('pending', 'scheduled')
        OR (q.status = 'failed' AND q.next_retry_at IS NOT NULL));

-- name: add_event!
INSERT INTO email_events
    (id, subscriber_id, sequence_id, event_type, email, provider, occurred_at)
SELECT lamplighter.new_id(), :id, q.id, 'unsubscribed', :email, 'link', :now
FROM (SELECT) one
LEFT JOIN newsletter_sequences q ON q.id = :sequence_id;
