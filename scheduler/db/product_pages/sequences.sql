-- fragment: shown
s.id, s.slug ::text AS slug, left(s.name, 255) AS name, left(s.description, 500) AS description,
    coalesce(s.status, 'active') AS status, s.trigger_type ::text AS trigger,
    left(coalesce(s.trigger_config, '{}') ::text, 300) AS config,
    coalesce(s.total_enrolled, 0) AS enrolled, coalesce(s.total_completed, 0) AS completed,
    coalesce(s.active_enrollments, 0) AS active

-- name: listed
SELECT {shown}
FROM newsletter_sequences s
WHERE :after ::text IS NULL OR s.slug > :after ::text
ORDER BY s.slug
LIMIT :most ::int;

-- name: single
SELECT {shown}
FROM newsletter_sequences s
WHERE s.slug = :slug ::text OR s.id = :id ::uuid
ORDER BY s.slug = :slug ::text DESC
LIMIT 1;

-- name: steps
SELECT t.sequence_id, t.step_order, left(t.name, 255) AS name, t.action_type ::text AS action,
    t.delay_value, t.delay_unit ::text AS delay_unit, left(t.subject, 500) AS subject,
    coalesce(t.emails_sent, 0) AS sent
FROM unnest(:sequences ::uuid[]) AS q (id)
CROSS JOIN LATERAL (
    SELECT * FROM newsletter_sequence_steps t
    WHERE t.sequence_id = q.id ORDER BY t.step_order LIMIT :most ::int
) AS t
ORDER BY t.sequence_id, t.step_order;

-- name: active
-- Of all sequences, who waits for the next step: by the index on next_step_at, the soonest first, and
-- no more than so many.
SELECT sequence_id, done, count(*) AS people
FROM (
    SELECT e.sequence_id, coalesce(e.current_step, 0) AS done
    FROM newsletter_sequence_enrollments e
    WHERE e.status = 'active'
    ORDER BY e.next_step_at
    LIMIT :cap ::int + 1
) AS soonest
GROUP BY sequence_id, done;

-- name: enrolled
-- Everybody of one sequence, but no more than so many, in the order of the key (sequence, subscriber),
-- so that it is the key that is read.
SELECT status, done, count(*) AS people
FROM (
    SELECT coalesce(e.status, 'active') AS status, coalesce(e.current_step, 0) AS done
    FROM newsletter_sequence_enrollments e
    WHERE e.sequence_id = :id ::uuid
    ORDER BY e.sequence_id, e.subscriber_id
    LIMIT :cap ::int + 1
) AS bounded
GROUP BY status, done;
