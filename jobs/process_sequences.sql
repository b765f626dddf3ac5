-- fragment: may_be_written_to
(coalesce(s.status, 'active') = 'active' AND NOT EXISTS (
    SELECT FROM lamplighter.suppressions x WHERE x.email = lower(s.email) AND x.lifted_at IS NULL
))

-- fragment: over
-- Active, ours, and yet nothing more may come of it.
e.status = 'active' AND (e.enrolled_at >= k.first_active_at OR k.adopted_at IS NOT NULL)
    AND (q.status = 'archived' OR NOT {may_be_written_to})

-- name: over
-- Each reason from its own side, which is the small one: all in one OR would ask everybody.
WITH ended (sequence_id, subscriber_id) AS (
    SELECT q.id, e.subscriber_id
    FROM newsletter_sequences q
    JOIN newsletter_sequence_enrollments e ON e.sequence_id = q.id AND e.status = 'active'
    WHERE q.status = 'archived'
    UNION ALL
    SELECT e.sequence_id, s.id
    FROM newsletter_subscribers s
    JOIN newsletter_sequence_enrollments e ON e.subscriber_id = s.id AND e.status = 'active'
    WHERE s.status <> 'active'
    UNION ALL
    SELECT e.sequence_id, s.id
    FROM lamplighter.suppressions x
    JOIN newsletter_subscribers s ON lower(s.email) = x.email
    JOIN newsletter_sequence_enrollments e ON e.subscriber_id = s.id AND e.status = 'active'
    WHERE x.lifted_at IS NULL
)
SELECT DISTINCT e.id
FROM ended
JOIN newsletter_sequence_enrollments e USING (sequence_id, subscriber_id)
JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
JOIN newsletter_sequences q ON q.id = e.sequence_id
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
WHERE {over}
ORDER BY e.id
LIMIT :most ::int;

-- name: cancel$
WITH taken AS MATERIALIZED (
    SELECT e.id
    FROM newsletter_sequence_enrollments e
    JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
    JOIN newsletter_sequences q ON q.id = e.sequence_id
    JOIN newsletter_subscribers s ON s.id = e.subscriber_id
    WHERE e.id = ANY (:ids ::uuid[]) AND {over}
    ORDER BY e.id
    FOR NO KEY UPDATE OF e SKIP LOCKED
), cancelled AS (
    UPDATE newsletter_sequence_enrollments e
    SET status = 'cancelled', next_step_at = NULL
    FROM taken
    WHERE e.id = taken.id
    RETURNING 1
)
SELECT count(*) FROM cancelled;

-- name: recount_sequences!
-- Counted anew, so that a run cut off anywhere, or an account deleted, leaves no wrong number.
UPDATE newsletter_sequences q
SET total_enrolled = n.enrolled, total_completed = n.completed, active_enrollments = n.active
FROM (
    SELECT k.sequence_id, count(e.id) AS enrolled,
        count(*) FILTER (WHERE e.status = 'completed') AS completed,
        count(*) FILTER (WHERE e.status = 'active') AS active
    FROM lamplighter.sequences k
    LEFT JOIN newsletter_sequence_enrollments e ON e.sequence_id = k.sequence_id
    GROUP BY k.sequence_id
) n
WHERE q.id = n.sequence_id
    AND (q.total_enrolled, q.total_completed, q.active_enrollments)
        IS DISTINCT FROM (n.enrolled, n.completed, n.active);

-- name: recount_segments!
UPDATE newsletter_segments g
SET subscriber_count = n.members
FROM (
    SELECT segment_id, (
        SELECT count(*) FROM newsletter_segment_members m WHERE m.segment_id = chosen.segment_id
    ) AS members
    FROM unnest(:segments ::uuid[]) AS chosen (segment_id)
) n
WHERE g.id = n.segment_id AND g.subscriber_count IS DISTINCT FROM n.members;

-- name: person^
-- In whichever letters; a person asks this, and seldom, so it may read everybody.
SELECT s.id, s.email, s.status, {may_be_written_to} AS may_be_written_to, e.id AS enrollment,
    e.status AS enrollment_status,
    e.enrolled_at < k.first_active_at AND k.adopted_at IS NULL AS is_old
FROM newsletter_subscribers s
LEFT JOIN newsletter_sequence_enrollments e
    ON e.subscriber_id = s.id AND e.sequence_id = :sequence
LEFT JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
WHERE lower(s.email) = lower(:email ::text)
ORDER BY s.email = :email ::text DESC, s.email = lower(:email ::text) DESC, s.id
LIMIT 1;

-- name: adopt_one!
UPDATE newsletter_sequence_enrollments
SET enrolled_at = :now, next_step_at = coalesce(next_step_at, :now)
WHERE id = :id AND coalesce(status, 'active') = 'active';

-- name: count_old$
SELECT count(*)
FROM newsletter_sequence_enrollments e
JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
WHERE e.sequence_id = :sequence AND coalesce(e.status, 'active') = 'active'
    AND coalesce(e.enrolled_at, '-infinity') < k.first_active_at AND k.adopted_at IS NULL
    AND {may_be_written_to};

-- name: adopt!
UPDATE lamplighter.sequences SET adopted_at = :now WHERE sequence_id = :sequence AND adopted_at IS NULL;
