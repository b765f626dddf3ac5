-- name: readers!
INSERT INTO newsletter_subscribers (id, email, first_name, subscribed_at)
SELECT lamplighter.new_id(), 'reader-' || n || '@example.com', 'Reader ' || n,
    :now ::timestamptz - interval '1 year'
FROM generate_series(1, :readers ::int) n;

-- name: sequence$
INSERT INTO newsletter_sequences (slug, name, trigger_type)
VALUES ('welcome', 'Welcome', 'signup')
RETURNING id;

-- name: steps!
INSERT INTO newsletter_sequence_steps
    (sequence_id, step_order, name, delay_value, delay_unit, subject, content_html)
SELECT :sequence, n, 'Step ' || n, 1, 'days', 'Message ' || n,
    '<p>Hello {{ first_name }},</p>' || repeat('<p>Good to have you here.</p>', 20)
FROM generate_series(1, 3) n;

-- name: seen!
INSERT INTO lamplighter.sequences (sequence_id, first_active_at, active_since, trigger_key)
VALUES (:sequence, :now ::timestamptz - interval '10 days', :now, '');

-- name: enrolments!
INSERT INTO newsletter_sequence_enrollments
    (id, sequence_id, subscriber_id, current_step, next_step_at, enrolled_at)
SELECT lamplighter.new_id(), :sequence, id, 1,
    :now ::timestamptz - row_number() OVER (ORDER BY id DESC) * interval '1 millisecond',
    :now ::timestamptz - interval '1 day'
FROM newsletter_subscribers
ORDER BY id;

-- name: settle#
CHECKPOINT;

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;

-- name: outcome^
SELECT
    (SELECT count(*) FROM newsletter_sequence_enrollments WHERE current_step = 2) AS moved,
    (SELECT count(*) FROM email_queue) AS queued,
    (SELECT count(*) FROM lamplighter.outbox) AS kept;

-- name: step_ids
SELECT id, step_order FROM newsletter_sequence_steps ORDER BY step_order;
