-- name: add_sequence$
INSERT INTO newsletter_sequences (id, slug, name, status, trigger_type, trigger_config, segment_id)
VALUES (gen_random_uuid(), :slug ::text, :name ::text, :status, :trigger_type,
    :trigger_config ::text ::jsonb, :segment_id)
RETURNING id;

-- name: add_step$
INSERT INTO newsletter_sequence_steps
    (id, sequence_id, step_order, name, delay_value, delay_unit, action_type, subject, content_html,
     content_text, action_config, template_id)
VALUES (gen_random_uuid(), :sequence_id, :step_order, :name, :delay_value, :delay_unit, :action_type,
    :subject, :content_html, :content_text, :action_config ::text ::jsonb, :template_id)
RETURNING id;

-- name: add_subscriber$
INSERT INTO newsletter_subscribers
    (id, email, status, user_id, first_name, last_name, interests, subscribed_at, created_at)
VALUES (gen_random_uuid(), :email, :status, :user_id, :first_name, :last_name, :interests ::text[],
    :subscribed_at, :created_at)
RETURNING id;

-- name: add_subscribers!
INSERT INTO newsletter_subscribers (id, email, subscribed_at, interests)
SELECT gen_random_uuid(), 'old-' || n || '@example.com', :at, ARRAY['news']
FROM generate_series(1, :count ::int) n;

-- name: add_old_enrolments!
INSERT INTO newsletter_sequence_enrollments
    (id, sequence_id, subscriber_id, current_step, status, next_step_at, enrolled_at)
SELECT gen_random_uuid(), :sequence, id, 1, 'active', :next_step_at, :enrolled_at
FROM newsletter_subscribers;

-- name: add_enrolment$
INSERT INTO newsletter_sequence_enrollments
    (id, sequence_id, subscriber_id, current_step, status, next_step_at, enrolled_at)
VALUES (gen_random_uuid(), :sequence, :subscriber, :current_step, :status, :next_step_at,
    :enrolled_at)
RETURNING id;

-- name: enrolments
SELECT e.*, s.email, q.slug
FROM newsletter_sequence_enrollments e
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
JOIN newsletter_sequences q ON q.id = e.sequence_id
ORDER BY q.slug, s.email;

-- name: messages
SELECT m.*, o.enrollment_id, o.step_id, o.created_at AS guarded_at
FROM email_queue m
LEFT JOIN lamplighter.outbox o ON o.queue_id = m.id
ORDER BY m.created_at, m.to_email, m.subject;

-- name: totals^
SELECT total_enrolled, total_completed, active_enrollments FROM newsletter_sequences WHERE slug = :slug;

-- name: set_status!
UPDATE newsletter_sequences SET status = :status WHERE slug = :slug;

-- name: set_trigger!
UPDATE newsletter_sequences SET trigger_config = :config ::text ::jsonb WHERE slug = :slug;

-- name: set_config!
UPDATE newsletter_sequence_steps SET action_config = :config ::text ::jsonb WHERE id = :id;

-- name: mend_step!
UPDATE newsletter_sequence_steps
SET action_type = 'email', subject = 'Mended', content_html = 'Mended', delay_value = 0,
    action_config = '{}'
WHERE id = :id;

-- name: set_order!
UPDATE newsletter_sequence_steps SET step_order = :step_order WHERE id = :id;

-- name: delete_step!
DELETE FROM newsletter_sequence_steps WHERE id = :id;

-- name: set_subscriber!
UPDATE newsletter_subscribers SET status = :status WHERE id = :id;

-- name: set_interests!
UPDATE newsletter_subscribers SET interests = :interests ::text[] WHERE id = :id;

-- name: interests$
SELECT interests FROM newsletter_subscribers WHERE id = :id;

-- name: delete_subscriber!
DELETE FROM newsletter_subscribers WHERE id = :id;

-- name: set_end!
UPDATE app_users SET subscription_ends_at = :at WHERE id = :id;

-- name: add_event!
INSERT INTO analytics_events (id, event_type, event_category, user_id, {events_time})
VALUES (gen_random_uuid(), :event, 'user', :user_id, :at);

-- name: add_segment$
INSERT INTO newsletter_segments (id, slug, name, is_dynamic)
VALUES (gen_random_uuid(), :slug ::text, :slug ::text, :is_dynamic)
RETURNING id;

-- name: segment_count$
SELECT subscriber_count FROM newsletter_segments WHERE slug = :slug;

-- name: add_member!
INSERT INTO newsletter_segment_members (segment_id, subscriber_id, added_at)
VALUES (:segment, :subscriber, :at);

-- name: members
SELECT subscriber_id FROM newsletter_segment_members ORDER BY subscriber_id;

-- name: leave_segment!
DELETE FROM newsletter_segment_members WHERE subscriber_id = :subscriber;

-- name: add_join!
INSERT INTO lamplighter.segment_joins (segment_id, subscriber_id, joined_at)
VALUES (:segment, :subscriber, :at);

-- name: add_template$
INSERT INTO email_templates (id, slug, name, subject, html_template, text_template)
VALUES (gen_random_uuid(), 'made', 'Made', 'Of a template', '<p>Made</p>', 'Made')
RETURNING id;

-- name: calls
SELECT * FROM lamplighter.webhook_calls ORDER BY created_at, id;

-- name: lock_subscriber!
SELECT FROM newsletter_subscribers WHERE id = :id FOR UPDATE;

-- name: lock_user!
SELECT FROM app_users WHERE id = :id FOR UPDATE;

-- name: refuse_queue#
CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.to_email = 'refused@example.com' THEN
        RAISE EXCEPTION 'this address is under investigation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_one BEFORE INSERT ON email_queue FOR EACH ROW EXECUTE FUNCTION refuse_one();

-- name: fingerprint
-- What came of it all, without keys that are made up.
SELECT s.email, q.slug, e.status, e.current_step, e.next_step_at, e.completed_at, s.interests,
    (SELECT array_agg(st.step_order ORDER BY st.step_order)
        FROM lamplighter.outbox o JOIN newsletter_sequence_steps st ON st.id = o.step_id
        WHERE o.enrollment_id = e.id) AS mailed,
    (SELECT count(*) FROM email_queue m JOIN lamplighter.outbox o ON o.queue_id = m.id
        WHERE o.enrollment_id = e.id) AS messages,
    (SELECT count(*) FROM newsletter_segment_members m WHERE m.subscriber_id = s.id) AS segments,
    q.total_enrolled, q.total_completed, q.active_enrollments
FROM newsletter_sequence_enrollments e
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
JOIN newsletter_sequences q ON q.id = e.sequence_id
ORDER BY q.slug, s.email;

-- name: revive!
UPDATE newsletter_sequence_enrollments
SET status = 'active', next_step_at = :at
WHERE status = 'failed';
