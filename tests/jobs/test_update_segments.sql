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

-- name: bridge#
-- An operator's bridge: the table has the column under another name, and no more status.
ALTER TABLE newsletter_subscribers RENAME emails_opened TO opens;
CREATE SCHEMA bridge;
CREATE VIEW bridge.newsletter_subscribers AS
SELECT s.*, s.opens AS emails_opened FROM public.newsletter_subscribers s;
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = bridge, public', current_database());
END $$;
