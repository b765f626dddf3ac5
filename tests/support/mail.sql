-- name: add_subscriber$
INSERT INTO newsletter_subscribers (id, email, first_name, status)
VALUES (gen_random_uuid(), :email, :first_name, :status)
RETURNING id;

-- name: add_sequence$
INSERT INTO newsletter_sequences (id, name, slug, trigger_type)
VALUES (gen_random_uuid(), 'Welcome', gen_random_uuid() ::text, 'signup')
RETURNING id;

-- name: add_step$
INSERT INTO newsletter_sequence_steps (id, sequence_id, step_order, name)
SELECT gen_random_uuid(), :sequence_id ::uuid, count(*) + 1, 'Hello'
FROM newsletter_sequence_steps WHERE sequence_id = :sequence_id
RETURNING id;

-- name: add_enrollment$
INSERT INTO newsletter_sequence_enrollments (id, sequence_id, subscriber_id, next_step_at)
VALUES (gen_random_uuid(), :sequence_id, :subscriber_id, :now)
RETURNING id;

-- name: add_message$
INSERT INTO email_queue
    (id, status, priority, to_email, to_name, cc_emails, bcc_emails, from_email, from_name,
     subject, html_body, text_body, template_id, template_data, attachments, scheduled_at,
     attempts, max_attempts, next_retry_at, created_at, reference_type, tracking_data)
VALUES
    (coalesce(:id ::uuid, gen_random_uuid()), :status, :priority, :to_email, :to_name, :cc_emails,
     :bcc_emails, :from_email, :from_name, :subject, :html_body, :text_body, :template_id,
     :template_data, :attachments, :scheduled_at, :attempts, :max_attempts, :next_retry_at,
     :created_at, :reference_type, :tracking_data)
RETURNING id;

-- name: guard!
INSERT INTO lamplighter.outbox (queue_id, enrollment_id, step_id, created_at)
VALUES (:queue_id, :enrollment_id, :step_id, :now);

-- name: add_crowd!
-- One step of one sequence, queued for as many readers as there are.
WITH readers AS (
    INSERT INTO newsletter_subscribers (id, email, first_name)
    SELECT gen_random_uuid(), 'reader-' || n || '-' || left(:sequence_id ::uuid ::text, 8) || '@' || n % 7 || '.example.com', 'Reader ' || n
    FROM generate_series(1, :readers ::int) n
    RETURNING id, email, first_name
), enrolled AS (
    INSERT INTO newsletter_sequence_enrollments (id, sequence_id, subscriber_id)
    SELECT gen_random_uuid(), :sequence_id ::uuid, id FROM readers
    RETURNING id, subscriber_id
), queued AS (
    INSERT INTO email_queue
        (id, status, to_email, from_email, subject, html_body, template_data, created_at,
         reference_type, reference_id, tracking_data)
    SELECT gen_random_uuid(), 'scheduled', r.email, 'news@example.com', 'Hello {{ first_name }}',
        '<p>Hello {{ first_name }}, this is the first of three.</p>',
        jsonb_build_object('first_name', r.first_name), :now, 'sequence_step',
        :step_id ::uuid, jsonb_build_object('subscriberId', r.id, 'sequenceId', :sequence_id ::uuid,
            'stepId', :step_id ::uuid, 'enrollmentId', e.id)
    FROM enrolled e JOIN readers r ON r.id = e.subscriber_id
    RETURNING id, tracking_data
)
INSERT INTO lamplighter.outbox (queue_id, enrollment_id, step_id, created_at)
SELECT id, (tracking_data ->> 'enrollmentId') ::uuid, :step_id, :now FROM queued;

-- name: queue
SELECT * FROM email_queue ORDER BY created_at, id;

-- name: logs
SELECT * FROM email_logs ORDER BY created_at, to_email, status;

-- name: events
SELECT * FROM email_events ORDER BY occurred_at, event_type;

-- name: suppressions
SELECT * FROM lamplighter.suppressions ORDER BY email;

-- name: conditions
SELECT name, reason FROM lamplighter.conditions ORDER BY name;

-- name: enrollments
SELECT * FROM newsletter_sequence_enrollments ORDER BY id;
