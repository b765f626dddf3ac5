-- The plan is the steps of all active sequences, as they were read at the beginning of the run, each
-- with the step orders that lead to it, and one row more for the end of each sequence.

-- fragment: plan
plan AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :sequence_ids ::uuid[], :step_ids ::uuid[], :after_orders ::bigint[], :orders ::bigint[],
        :actions ::text[], :delays ::interval[], :next_delays ::interval[], :tags ::text[],
        :segment_ids ::uuid[], :untils ::timestamptz[], :fields ::text[]
    ) AS p (
        sequence_id, step_id, after_order, step_order,
        action, delay, next_delay, tag, segment_id, until, field
    )
)

-- fragment: at_step
-- The enrolment `e` stands before this row of the plan.
wanted.sequence_id = e.sequence_id
    AND coalesce(e.current_step, 0) >= wanted.after_order
    AND coalesce(e.current_step, 0) < wanted.step_order

-- fragment: driven
-- Enrolments of the product from before the sequence was first seen are left alone.
(e.enrolled_at >= k.first_active_at OR k.adopted_at IS NOT NULL)

-- fragment: may_be_written_to
-- By key for each person of a chunk: an EXISTS would read the whole list anew for each chunk.
(coalesce(s.status, 'active') = 'active' AND (
    SELECT x.lifted_at IS NULL FROM lamplighter.suppressions x WHERE x.email = lower(s.email)
) IS NOT TRUE)

-- fragment: moment
-- The time that a step waits for.
CASE wanted.field
    WHEN 'created_at' THEN s.created_at
    WHEN 'double_optin_at' THEN s.double_optin_at
    WHEN 'last_clicked_at' THEN s.last_clicked_at
    WHEN 'last_email_at' THEN s.last_email_at
    WHEN 'last_opened_at' THEN s.last_opened_at
    WHEN 'subscribed_at' THEN s.subscribed_at
    WHEN 'user.created_at' THEN u.created_at
    WHEN 'user.credits_reset_at' THEN u.credits_reset_at
    WHEN 'user.last_generation_at' THEN u.last_generation_at
    WHEN 'user.last_login_at' THEN u.last_login_at
    WHEN 'user.subscription_ends_at' THEN u.subscription_ends_at
    WHEN 'user.subscription_started_at' THEN u.subscription_started_at
    ELSE wanted.until
END

-- name: complete$
-- Enrolments that the product made without a time, or without a status, get them.
WITH {plan}, unfinished AS MATERIALIZED (
    SELECT e.id, e.enrolled_at + wanted.delay AS next_step_at
    FROM newsletter_sequence_enrollments e
    JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
    JOIN plan wanted ON {at_step}
    WHERE ((e.status = 'active' AND e.next_step_at IS NULL) OR e.status IS NULL) AND {driven}
    LIMIT :size ::int
    FOR NO KEY UPDATE OF e SKIP LOCKED
), completed AS (
    UPDATE newsletter_sequence_enrollments e
    SET status = 'active', next_step_at = coalesce(e.next_step_at, unfinished.next_step_at, :now)
    FROM unfinished
    WHERE e.id = unfinished.id
    RETURNING 1
)
SELECT count(*) FROM completed;

-- fragment: due
-- `driven`, active, due, and not waiting for the answer to a call.
e.status = 'active' AND e.next_step_at <= :now AND {driven}
    AND NOT EXISTS (
        SELECT FROM lamplighter.webhook_calls w
        WHERE w.enrollment_id = e.id AND w.done_at IS NULL
    )

-- name: due
-- Who waits for longest comes first.
SELECT e.id, e.next_step_at AS at
FROM newsletter_sequence_enrollments e
JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
WHERE e.sequence_id = ANY (:sequences ::uuid[]) AND {due}
    AND e.next_step_at >= :at ::timestamptz AND (e.next_step_at, e.id) > (:at ::timestamptz, :after ::uuid)
ORDER BY e.next_step_at, e.id
LIMIT :most ::int;

-- name: take
-- Locks those of a chunk who still are due, with their subscriber, so that nobody leaves and nobody
-- else writes to them meanwhile; who is locked is passed over. A statement of its own: the one that
-- follows sees all that was committed before the locks.
SELECT e.id
FROM newsletter_sequence_enrollments e
JOIN lamplighter.sequences k ON k.sequence_id = e.sequence_id
JOIN newsletter_sequences q ON q.id = e.sequence_id AND coalesce(q.status, 'active') = 'active'
JOIN newsletter_subscribers s ON s.id = e.subscriber_id
WHERE e.id = ANY (:ids ::uuid[]) AND {due}
ORDER BY e.id
FOR NO KEY UPDATE OF e, s SKIP LOCKED;

-- name: advance^
WITH {plan}, taken AS MATERIALIZED (
    SELECT e.id, e.subscriber_id, e.next_step_at, wanted.step_id, wanted.step_order,
        wanted.next_delay, wanted.tag, wanted.segment_id, s.email, s.user_id, s.interests,
        s.first_name, s.last_name, u.display_name,
        coalesce(u.subscription_tier, s.subscription_tier, 'free') AS subscription_tier,
        {moment} AS until,
        CASE
            WHEN NOT {may_be_written_to} THEN 'cancelled'
            WHEN wanted.step_id IS NULL THEN 'completed'
            -- Edited while this run goes on: the next one reads it anew.
            WHEN st.id IS NULL OR st.step_order <> wanted.step_order THEN 'broken'
            WHEN wanted.action = 'email' AND mail.has_step THEN 'had'
            WHEN wanted.action = 'email' AND mail.last_at >= :scheduled_for THEN 'mailed'
            WHEN wanted.action = 'wait_until' AND {moment} > :now
                THEN 'waiting'
            WHEN wanted.action = 'webhook' AND (
                SELECT w.error IS NULL
                FROM lamplighter.webhook_calls w
                WHERE w.enrollment_id = e.id AND w.step_id = wanted.step_id
            ) THEN 'had'
            ELSE wanted.action
        END AS outcome
    FROM newsletter_sequence_enrollments e
    JOIN plan wanted ON {at_step}
    JOIN newsletter_subscribers s ON s.id = e.subscriber_id
    LEFT JOIN app_users u ON u.id = s.user_id
    LEFT JOIN newsletter_sequence_steps st ON st.id = wanted.step_id
    CROSS JOIN LATERAL (
        SELECT max(o.created_at) AS last_at, bool_or(o.step_id = wanted.step_id) AS has_step
        FROM lamplighter.outbox o
        WHERE o.enrollment_id = e.id
    ) mail
    WHERE e.id = ANY (:ids ::uuid[])
), mailing AS MATERIALIZED (
    -- Whoever got enough today waits for tomorrow.
    SELECT t.*, lamplighter.new_id() AS queue_id,
        today.messages + row_number() OVER (
            PARTITION BY t.subscriber_id ORDER BY t.next_step_at, t.id
        ) > :max_per_day ::int AS capped
    FROM taken t
    CROSS JOIN LATERAL (
        SELECT count(*) AS messages
        FROM newsletter_sequence_enrollments e
        JOIN lamplighter.outbox o ON o.enrollment_id = e.id
        WHERE e.subscriber_id = t.subscriber_id AND o.created_at >= :day_start
    ) today
    WHERE t.outcome = 'email'
), kept AS (
    -- The guard: its key lets nobody get a step a second time.
    INSERT INTO lamplighter.outbox (queue_id, enrollment_id, step_id, created_at)
    SELECT queue_id, id, step_id, :now ::timestamptz
    FROM mailing
    WHERE NOT capped
    RETURNING step_id
), queued AS (
    INSERT INTO email_queue
        (id, status, priority, to_email, to_name, from_email, from_name, subject, html_body,
         text_body, template_data, user_id, reference_type, reference_id, scheduled_at,
         tracking_data, created_at, updated_at)
    -- Without a time: another sender of the product's queue leaves it alone.
    SELECT m.queue_id, 'scheduled', 0, m.email,
        nullif(left(regexp_replace(
            coalesce(m.display_name, concat_ws(' ', m.first_name, m.last_name)),
            '[[:cntrl:]]+', ' ', 'g'), 255), ''),
        :from_email, :from_name, coalesce(nullif(st.subject, ''), t.subject),
        coalesce(st.content_html, t.html_template), coalesce(st.content_text, t.text_template),
        jsonb_build_object(
            'email', m.email,
            'first_name', coalesce(m.first_name, ''),
            'last_name', coalesce(m.last_name, ''),
            'name', coalesce(m.display_name, m.first_name, ''),
            'subscription_tier', m.subscription_tier,
            'sequence', q.name,
            'step', st.name
        ),
        m.user_id, 'sequence_step', st.id, NULL,
        jsonb_build_object(
            'subscriberId', m.subscriber_id, 'sequenceId', st.sequence_id, 'stepId', st.id,
            'enrollmentId', m.id
        ),
        :now ::timestamptz, :now ::timestamptz
    FROM mailing m
    JOIN newsletter_sequence_steps st ON st.id = m.step_id
    JOIN newsletter_sequences q ON q.id = st.sequence_id
    LEFT JOIN email_templates t ON t.id = st.template_id
    WHERE NOT m.capped
), tagged AS (
    UPDATE newsletter_subscribers s
    SET interests = coalesce(s.interests, '{}') || n.tags
    FROM (
        SELECT subscriber_id, array_agg(DISTINCT tag) AS tags
        FROM taken
        WHERE outcome = 'tag' AND NOT coalesce(interests, '{}') @> ARRAY[tag]
        GROUP BY subscriber_id
    ) n
    WHERE s.id = n.subscriber_id
), joined AS (
    INSERT INTO newsletter_segment_members (segment_id, subscriber_id, added_at)
    SELECT DISTINCT t.segment_id, t.subscriber_id, :now ::timestamptz
    FROM taken t
    JOIN newsletter_segments g ON g.id = t.segment_id AND NOT coalesce(g.is_dynamic, true)
    WHERE t.outcome = 'segment'
    ON CONFLICT DO NOTHING
), calls AS (
    -- A call that was given up is made anew where the product has set its enrolment going again.
    INSERT INTO lamplighter.webhook_calls AS w
        (id, enrollment_id, step_id, created_at, next_attempt_at)
    SELECT lamplighter.new_id(), id, step_id, :now ::timestamptz, :now ::timestamptz
    FROM taken
    WHERE outcome = 'webhook'
    ON CONFLICT (enrollment_id, step_id) DO UPDATE
        SET attempts = 0, next_attempt_at = excluded.next_attempt_at, done_at = NULL, error = NULL
), results AS MATERIALIZED (
    SELECT t.id, t.step_order, t.next_delay, t.until,
        CASE WHEN m.capped THEN 'capped' ELSE t.outcome END AS outcome
    FROM taken t
    LEFT JOIN mailing m ON m.id = t.id
), moved AS (
    UPDATE newsletter_sequence_enrollments e
    SET current_step = CASE WHEN r.outcome IN ('email', 'tag', 'segment', 'wait_until', 'had')
            THEN r.step_order ELSE e.current_step END,
        status = CASE
            WHEN r.outcome = 'cancelled' THEN 'cancelled'
            WHEN r.outcome = 'completed' THEN 'completed'
            WHEN r.outcome NOT IN ('capped', 'waiting') AND r.next_delay IS NULL THEN 'completed'
            ELSE e.status
        END,
        completed_at = CASE
            WHEN r.outcome = 'completed' THEN :now ::timestamptz
            WHEN r.outcome NOT IN ('cancelled', 'capped', 'waiting') AND r.next_delay IS NULL
                THEN :now ::timestamptz
            ELSE e.completed_at
        END,
        next_step_at = CASE
            WHEN r.outcome = 'capped' THEN :next_day ::timestamptz
            WHEN r.outcome = 'waiting' THEN r.until
            WHEN r.outcome IN ('cancelled', 'completed') THEN NULL
            ELSE :now ::timestamptz + r.next_delay
        END
    FROM results r
    WHERE e.id = r.id AND r.outcome NOT IN ('broken', 'mailed', 'webhook')
    RETURNING e.status, r.outcome
)
SELECT
    count(*) FILTER (WHERE outcome IN ('email', 'tag', 'segment', 'wait_until', 'had'))
        AS processed,
    (SELECT count(*) FROM kept) AS queued,
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE outcome = 'capped') AS capped,
    count(*) + (SELECT count(*) FROM results WHERE outcome = 'webhook') AS changed
FROM moved;
