-- name: add_people!
INSERT INTO app_users (id, email) SELECT id, id || '@example.com' FROM unnest(:ids ::uuid[]) id;

-- name: add_events!
INSERT INTO analytics_events
    (id, event_type, event_category, user_id, session_id, "timestamp", metadata, properties)
SELECT e.id, e.event, 'user', e.user_id, e.session_id, e.at, e.metadata ::jsonb, e.properties ::jsonb
FROM unnest(
    :ids ::uuid[], :events ::text[], :users ::uuid[], :sessions ::text[], :times ::timestamptz[],
    :metadata ::text[], :properties ::text[]
) AS e (id, event, user_id, session_id, at, metadata, properties);

-- name: add_odd_event!
-- At a moment that PostgreSQL knows and Python may not.
INSERT INTO analytics_events (id, event_type, event_category, session_id, "timestamp")
VALUES (gen_random_uuid(), :event, 'user', :session, :at ::text ::timestamptz);

-- name: lock_funnel!
SELECT FROM analytics_funnels WHERE slug = :slug FOR UPDATE;

-- name: add_lean_events!
-- As the other variant of the product has them.
INSERT INTO analytics_events (id, event_type, event_category, user_id, created_at, metadata)
SELECT e.id, e.event, 'user', e.user_id, e.at, e.metadata ::jsonb
FROM unnest(
    :ids ::uuid[], :events ::text[], :users ::uuid[], :times ::timestamptz[], :metadata ::text[]
) AS e (id, event, user_id, at, metadata);

-- name: add_funnel$
INSERT INTO analytics_funnels (id, status, name, slug, steps, window_days)
VALUES (gen_random_uuid(), :status, :slug ::text, :slug ::text, :steps ::text ::jsonb, :window_days)
RETURNING id;

-- name: funnels
SELECT slug, total_entered, total_completed, conversion_rate, avg_time_to_complete, step_metrics,
    last_computed_at
FROM analytics_funnels
ORDER BY slug;

-- name: change_steps!
UPDATE analytics_funnels SET steps = :steps ::text ::jsonb WHERE slug = :slug;

-- name: progress
SELECT p.id, f.slug, p.user_id, p.session_id, p.current_step, p.completed, p.step_timestamps,
    p.entered_at, p.completed_at, p.time_to_complete
FROM analytics_funnel_progress p
JOIN analytics_funnels f ON f.id = p.funnel_id
ORDER BY f.slug, p.user_id, p.session_id, p.id;

-- name: add_progress!
INSERT INTO analytics_funnel_progress (id, funnel_id, user_id, session_id, current_step)
VALUES (gen_random_uuid(), :funnel_id, :user_id, :session_id, :current_step);

-- name: hold_progress^
-- As a run of the job does.
SELECT pg_advisory_xact_lock(hashtextextended('lamplighter funnel progress ' || :id ::uuid, 0));

-- name: waiting$
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: drop_progress#
DROP TABLE analytics_funnel_progress;

-- name: forget_users#
-- A product whose events keep the id of a user who is gone.
ALTER TABLE analytics_events DROP CONSTRAINT analytics_events_user_id_fkey;

-- name: did_each_step$
-- The classic wrong count: whoever ever did each step, in any order.
SELECT count(*) FROM (
    SELECT FROM analytics_events
    WHERE event_type = ANY (:events ::text[])
    GROUP BY coalesce(user_id ::text, session_id)
    HAVING count(DISTINCT event_type) = cardinality(:events ::text[])
) people;
