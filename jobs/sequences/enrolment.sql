-- Every `people_...` is who a trigger enrols: those for whom it happened after `:since` and until
-- `:now`. `:since` is -infinity where those from before are asked for too.

-- fragment: may_be_written_to
(coalesce(s.status, 'active') = 'active' AND NOT EXISTS (
    SELECT FROM lamplighter.suppressions x WHERE x.email = lower(s.email) AND x.lifted_at IS NULL
))

-- fragment: may_come
-- Once for each person and sequence, however it ended.
{may_be_written_to} AND NOT EXISTS (
    SELECT FROM newsletter_sequence_enrollments e
    WHERE e.sequence_id = :sequence AND e.subscriber_id = s.id
)

-- fragment: people_signup
SELECT s.id
FROM newsletter_subscribers s
WHERE coalesce(s.subscribed_at, s.created_at) > :since ::timestamptz
    AND coalesce(s.subscribed_at, s.created_at) <= :now ::timestamptz
    AND {may_come}

-- fragment: people_event
SELECT s.id
FROM newsletter_subscribers s
WHERE s.user_id IN (
        SELECT v.user_id
        FROM {events} v
        WHERE v.event_type = :event AND v.at > :since ::timestamptz AND v.at <= :now ::timestamptz
    )
    AND {may_come}

-- fragment: people_joined
-- Who was brought into a dynamic segment, and is still in it.
SELECT s.id
FROM newsletter_subscribers s
JOIN newsletter_segment_members m ON m.segment_id = :segment AND m.subscriber_id = s.id
WHERE EXISTS (
        SELECT FROM lamplighter.segment_joins j
        WHERE j.segment_id = :segment AND j.subscriber_id = s.id
            AND j.joined_at > :active_since ::timestamptz
            AND j.joined_at > :since ::timestamptz - :delay ::interval
            AND j.joined_at <= :now ::timestamptz - :delay ::interval
    )
    AND {may_come}

-- fragment: people_added
-- Who was put into a static segment, or has been in one of either kind for so long.
SELECT s.id
FROM newsletter_subscribers s
JOIN newsletter_segment_members m ON m.segment_id = :segment AND m.subscriber_id = s.id
WHERE m.added_at > :active_since ::timestamptz
    AND m.added_at > :since ::timestamptz - :delay ::interval
    AND m.added_at <= :now ::timestamptz - :delay ::interval
    AND {may_come}

-- fragment: people_tag
SELECT s.id
FROM newsletter_subscribers s
JOIN lamplighter.tag_holders h ON h.tag = :tag AND h.subscriber_id = s.id
WHERE h.seen_at > :since ::timestamptz AND h.seen_at <= :now ::timestamptz
    AND s.interests @> ARRAY[:tag ::text]
    AND {may_come}

-- fragment: people_holding
-- Whoever has the tag, since whenever.
SELECT s.id
FROM newsletter_subscribers s
WHERE s.interests @> ARRAY[:tag ::text] AND {may_come}

-- fragment: people_date
SELECT s.id
FROM newsletter_subscribers s
LEFT JOIN app_users u ON u.id = s.user_id
CROSS JOIN LATERAL (
    SELECT CASE :field ::text
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
    END AS at
) wanted
WHERE wanted.at > :since ::timestamptz - :delay ::interval
    AND wanted.at <= :now ::timestamptz - :delay ::interval
    AND {may_come}

-- name: find_signup
SELECT id FROM ({people_signup}) people ORDER BY id LIMIT :most ::int;

-- name: find_event
SELECT id FROM ({people_event}) people ORDER BY id LIMIT :most ::int;

-- name: find_joined
SELECT id FROM ({people_joined}) people ORDER BY id LIMIT :most ::int;

-- name: find_added
SELECT id FROM ({people_added}) people ORDER BY id LIMIT :most ::int;

-- name: find_tag
SELECT id FROM ({people_tag}) people ORDER BY id LIMIT :most ::int;

-- name: find_holding
SELECT id FROM ({people_holding}) people ORDER BY id LIMIT :most ::int;

-- name: find_date
SELECT id FROM ({people_date}) people ORDER BY id LIMIT :most ::int;

-- name: count_signup$
SELECT count(*) FROM ({people_signup}) people;

-- name: count_event$
SELECT count(*) FROM ({people_event}) people;

-- name: count_added$
SELECT count(*) FROM ({people_added}) people;

-- name: count_holding$
SELECT count(*) FROM ({people_holding}) people;

-- name: count_date$
SELECT count(*) FROM ({people_date}) people;

-- name: enroll
-- Asked again who may be written to, and whether the sequence still is active. The lock is the one
-- that the foreign key takes anyway.
WITH people AS MATERIALIZED (
    SELECT s.id
    FROM newsletter_subscribers s
    WHERE s.id = ANY (:ids ::uuid[]) AND {may_be_written_to}
    ORDER BY s.id
    FOR KEY SHARE OF s SKIP LOCKED
)
INSERT INTO newsletter_sequence_enrollments
    (id, sequence_id, subscriber_id, current_step, status, next_step_at, enrolled_at)
SELECT lamplighter.new_id(), q.id, people.id, :start ::int, 'active',
    :now ::timestamptz + :first_delay ::interval, :now ::timestamptz
FROM newsletter_sequences q
CROSS JOIN people
WHERE q.id = :sequence AND coalesce(q.status, 'active') = 'active'
ORDER BY people.id
ON CONFLICT (sequence_id, subscriber_id) DO NOTHING
RETURNING id;

-- name: note_look!
UPDATE lamplighter.sequences
SET looked_at = :now
WHERE sequence_id = :sequence AND active_since = :active_since;

-- name: give_memory$
-- For one hash of everybody who has a tag.
SELECT set_config('work_mem', '64MB', true);

-- name: note_holders$
-- Before there is a baseline nobody has just got the tag. Two whole sets are held against each other,
-- as EXCEPT does it whatever the planner knows of a table that has just been filled.
WITH unknown AS MATERIALIZED (
    SELECT s.id FROM newsletter_subscribers s WHERE s.interests @> ARRAY[:tag ::text]
    EXCEPT
    SELECT h.subscriber_id FROM lamplighter.tag_holders h WHERE h.tag = :tag
    LIMIT :most ::int
), noted AS (
    INSERT INTO lamplighter.tag_holders (tag, subscriber_id, seen_at)
    SELECT :tag, id,
        CASE WHEN EXISTS (SELECT FROM lamplighter.tags t WHERE t.tag = :tag)
            THEN :now ::timestamptz ELSE '-infinity' END
    FROM unknown
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM noted;

-- name: forget_holders!
WITH gone AS MATERIALIZED (
    SELECT h.subscriber_id AS id FROM lamplighter.tag_holders h WHERE h.tag = :tag
    EXCEPT
    SELECT s.id FROM newsletter_subscribers s WHERE s.interests @> ARRAY[:tag ::text]
)
DELETE FROM lamplighter.tag_holders h
USING gone
WHERE h.tag = :tag AND h.subscriber_id = gone.id;

-- name: note_baseline!
INSERT INTO lamplighter.tags (tag, baseline_at) VALUES (:tag, :now) ON CONFLICT DO NOTHING;
