-- name: add_segment$
INSERT INTO newsletter_segments (id, name, slug, criteria, is_dynamic, status)
VALUES (gen_random_uuid(), :slug ::text, :slug ::text, :criteria ::text ::jsonb, :is_dynamic, :status)
RETURNING id;

-- name: set_criteria!
UPDATE newsletter_segments SET criteria = :criteria ::text ::jsonb WHERE slug = :slug;

-- name: freeze!
UPDATE newsletter_segments SET is_dynamic = false WHERE slug = :slug;

-- name: segment^
SELECT subscriber_count, last_computed_at FROM newsletter_segments WHERE slug = :slug;

-- name: add_reader!
INSERT INTO newsletter_subscribers (id, email, status, interests, emails_opened, user_id, subscribed_at)
VALUES (
    :id ::uuid, :id ::uuid ::text || '@example.com', :status ::text, :interests ::text[],
    :emails_opened ::int, :user_id ::uuid, :subscribed_at ::timestamptz
);

-- name: add_crowd!
-- Every other one is active.
INSERT INTO newsletter_subscribers (id, email, status)
SELECT gen_random_uuid(), n || '@crowd.example.com', (ARRAY['active', 'bounced'])[1 + n % 2]
FROM generate_series(1, :readers ::int) n;

-- name: turn_crowd!
UPDATE newsletter_subscribers
SET status = CASE status WHEN 'active' THEN 'bounced' ELSE 'active' END;

-- name: add_some_members!
INSERT INTO newsletter_segment_members (segment_id, subscriber_id)
SELECT g.id, s.id
FROM newsletter_segments g, (SELECT id FROM newsletter_subscribers LIMIT :members ::int) s
WHERE g.slug = :slug;

-- name: analyze#
ANALYZE;

-- name: add_odd_reader!
-- At moments that PostgreSQL knows and Python may not.
INSERT INTO newsletter_subscribers (id, email, status, subscribed_at, last_opened_at)
VALUES (:id, :id ::uuid ::text || '@example.com', 'active', :at ::text ::timestamptz,
    :at ::text ::timestamptz);

-- name: readers
SELECT s.id, s.status, s.interests AS texts, s.emails_opened, s.subscribed_at,
    u.credits_remaining AS "user.credits_remaining"
FROM newsletter_subscribers s
LEFT JOIN app_users u ON u.id = s.user_id;

-- name: set_status!
UPDATE newsletter_subscribers SET status = :status WHERE id = :id;

-- name: set_opened!
UPDATE newsletter_subscribers SET emails_opened = :opened WHERE id = :id;

-- name: delete_reader!
DELETE FROM newsletter_subscribers WHERE id = :id;

-- name: lock_reader!
SELECT FROM newsletter_subscribers WHERE id = :id FOR UPDATE;

-- name: somebody_waits$
SELECT EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND a.datname = current_database()
);

-- name: add_member!
INSERT INTO newsletter_segment_members (segment_id, subscriber_id)
SELECT id, :subscriber_id ::uuid FROM newsletter_segments WHERE slug = :slug;

-- name: members
SELECT g.slug, m.subscriber_id, m.added_at
FROM newsletter_segment_members m
JOIN newsletter_segments g ON g.id = m.segment_id
ORDER BY g.slug, m.subscriber_id;

-- name: joins
SELECT g.slug, j.subscriber_id, j.joined_at
FROM lamplighter.segment_joins j
JOIN newsletter_segments g ON g.id = j.segment_id
ORDER BY j.id;

-- name: refuse_member#
-- The product's own rule that one member meets and the others do not.
CREATE FUNCTION refuse_one_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.subscriber_id = '00000000-0000-0000-0000-000000000005' THEN
        RAISE EXCEPTION 'not this one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_one_member BEFORE INSERT ON newsletter_segment_members
    FOR EACH ROW EXECUTE FUNCTION refuse_one_member();

-- name: refuse_segment#
CREATE FUNCTION refuse_one_segment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT slug = 'r' FROM newsletter_segments WHERE id = NEW.segment_id) THEN
        RAISE EXCEPTION 'this segment is full';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_one_segment BEFORE INSERT ON newsletter_segment_members
    FOR EACH ROW EXECUTE FUNCTION refuse_one_segment();

-- name: bridge#
-- An operator's bridge: the table has the column under another name.
ALTER TABLE newsletter_subscribers RENAME emails_opened TO opens;
CREATE SCHEMA bridge;
CREATE VIEW bridge.newsletter_subscribers AS
SELECT s.*, s.opens AS emails_opened FROM public.newsletter_subscribers s;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = bridge, public', current_database());
END $$;

-- name: of_the_sample
-- The sample data's segments, by hand.
SELECT 'all-active' AS slug, count(*) FROM newsletter_subscribers WHERE status = 'active'
UNION ALL SELECT 'free-tier', count(*) FROM newsletter_subscribers
    WHERE subscription_tier = 'free' AND status = 'active'
UNION ALL SELECT 'paid', count(*) FROM newsletter_subscribers
    WHERE subscription_tier IN ('maker', 'pro', 'unlimited') AND status = 'active'
UNION ALL SELECT 'pro-unlimited', count(*) FROM newsletter_subscribers
    WHERE (subscription_tier = 'pro' OR subscription_tier = 'unlimited') AND status = 'active'
UNION ALL SELECT 'highly-engaged', count(*) FROM newsletter_subscribers
    WHERE engagement_score >= 70 AND emails_received > 0 AND status = 'active'
UNION ALL SELECT 'at-risk', count(*) FROM newsletter_subscribers
    WHERE engagement_score < 30 AND status = 'active'
UNION ALL SELECT 'new-subscribers', count(*) FROM newsletter_subscribers
    WHERE subscribed_at >= :now ::timestamptz - interval '7 days' AND status = 'active'
UNION ALL SELECT 'keen-but-free', count(*)
    FROM newsletter_subscribers s JOIN app_users u ON u.id = s.user_id
    WHERE u.subscription_tier = 'free' AND u.total_generations >= 20 AND s.status = 'active';
