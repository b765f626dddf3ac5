-- name: lay!
-- One step of one sequence, due now, for so many readers.
WITH sequence AS (
    INSERT INTO newsletter_sequences (id, name, slug, trigger_type)
    VALUES (gen_random_uuid(), 'Welcome', gen_random_uuid() ::text, 'signup')
    RETURNING id
), step AS (
    INSERT INTO newsletter_sequence_steps (id, sequence_id, step_order, name)
    SELECT gen_random_uuid(), id, 1, 'Hello' FROM sequence
    RETURNING id, sequence_id
), readers AS (
    INSERT INTO newsletter_subscribers (id, email, first_name)
    SELECT gen_random_uuid(), 'reader-' || n || '@' || n % 50 || '.example.com', 'Reader ' || n
    FROM generate_series(1, :readers ::int) n
    RETURNING id, email, first_name
), enrolled AS (
    INSERT INTO newsletter_sequence_enrollments (id, sequence_id, subscriber_id)
    SELECT gen_random_uuid(), step.sequence_id, readers.id FROM readers, step
    RETURNING id, subscriber_id
), queued AS (
    INSERT INTO email_queue
        (id, status, to_email, from_email, subject, html_body, template_data, created_at,
         reference_type, reference_id, tracking_data)
    SELECT gen_random_uuid(), 'scheduled', r.email, 'news@example.com', 'Hello {{ first_name }}', :html ::text,
        jsonb_build_object('first_name', r.first_name), :now ::timestamptz, 'sequence_step',
        step.id, jsonb_build_object('subscriberId', r.id, 'sequenceId', step.sequence_id,
            'stepId', step.id, 'enrollmentId', e.id)
    FROM enrolled e JOIN readers r ON r.id = e.subscriber_id, step
    RETURNING id, tracking_data
)
INSERT INTO lamplighter.outbox (queue_id, enrollment_id, step_id, created_at)
SELECT id, (tracking_data ->> 'enrollmentId') ::uuid, (tracking_data ->> 'stepId') ::uuid, :now
FROM queued;

-- name: runs
-- Each run's own time, and what it said of the moments between the server's answer and the commit.
SELECT extract(epoch FROM r.finished_at - r.started_at) ::float8 AS seconds,
    (r.data ->> 'sent') ::int AS sent,
    (l.fields ->> 'p50_ms') ::float8 AS p50, (l.fields ->> 'max_ms') ::float8 AS max
FROM lamplighter.runs r
JOIN lamplighter.run_logs l ON l.run_id = r.id AND l.event = 'committed_after_answer'
ORDER BY r.seq;
