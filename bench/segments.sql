-- name: people#
INSERT INTO newsletter_segments (name, slug, criteria) VALUES
    ('All active subscribers', 'all-active', '{"status": "active"}'),
    ('Free tier', 'free-tier', '{"subscription_tier": "free", "status": "active"}'),
    ('Paid subscribers', 'paid',
        '{"subscription_tier": {"$in": ["maker", "pro", "unlimited"]}, "status": "active"}'),
    ('Pro and unlimited', 'pro-unlimited',
        '{"subscription_tier": ["pro", "unlimited"], "status": "active"}'),
    ('Highly engaged', 'highly-engaged',
        '{"engagement_score": {"$gte": 70}, "emails_received": {"$gt": 0}, "status": "active"}'),
    ('At risk', 'at-risk', '{"engagement_score": {"$lt": 30}, "status": "active"}'),
    ('New subscribers', 'new-subscribers',
        '{"subscribed_at": {"$gte": "NOW() - INTERVAL 7 DAY"}, "status": "active"}');

-- name: subscribers!
-- A tenth has left or bounced, a third pays.
INSERT INTO newsletter_subscribers
    (id, status, email, subscription_tier, interests, emails_received, emails_opened,
     engagement_score, subscribed_at)
SELECT gen_random_uuid(),
    CASE n % 20 WHEN 18 THEN 'unsubscribed' WHEN 19 THEN 'bounced' ELSE 'active' END,
    'reader-' || n || '@example.com',
    (ARRAY['free', 'free', 'free', 'free', 'free', 'free', 'free', 'maker', 'pro', 'unlimited'])
        [1 + n % 10],
    CASE n % 3 WHEN 0 THEN ARRAY['news'] WHEN 1 THEN ARRAY['news', 'tips'] END,
    n % 30, n % 17, n ::bigint * 7919 % 10000 / 100.0,
    :now ::timestamptz - n % 400 * interval '1 day'
FROM generate_series(1, :subscribers ::int) n;

-- name: change!
-- One in a hundred changes in a way that moves them between segments.
UPDATE newsletter_subscribers
SET status = CASE status WHEN 'active' THEN 'unsubscribed' ELSE 'active' END,
    engagement_score = 100 - engagement_score
WHERE hashtext(email) % 100 = 0;

-- name: statements
-- The same in plain SQL, without bounds, fences or anybody's criteria: for each segment what builds
-- it at once, and what changes it by its difference.
SELECT format(
        'INSERT INTO newsletter_segment_members (segment_id, subscriber_id)'
        ' SELECT %L, s.id FROM newsletter_subscribers s WHERE %s ORDER BY s.id;', g.id, condition
    ) AS build,
    format(
        'WITH difference AS MATERIALIZED ('
        ' SELECT c.id AS joins, m.subscriber_id AS leaves'
        ' FROM (SELECT s.id FROM newsletter_subscribers s WHERE %s) c'
        ' FULL JOIN (SELECT subscriber_id FROM newsletter_segment_members WHERE segment_id = %L) m'
        ' ON m.subscriber_id = c.id WHERE c.id IS NULL OR m.subscriber_id IS NULL),'
        ' departed AS (DELETE FROM newsletter_segment_members m USING difference d'
        ' WHERE m.segment_id = %L AND m.subscriber_id = d.leaves)'
        ' INSERT INTO newsletter_segment_members (segment_id, subscriber_id)'
        ' SELECT %L, joins FROM difference WHERE joins IS NOT NULL;',
        condition, g.id, g.id, g.id
    ) AS change,
    format(
        'UPDATE newsletter_segments SET last_computed_at = now(), subscriber_count ='
        ' (SELECT count(*) FROM newsletter_segment_members WHERE segment_id = %L) WHERE id = %L;',
        g.id, g.id
    ) AS count
FROM (VALUES
    ('all-active', $$s.status = 'active'$$),
    ('free-tier', $$s.subscription_tier = 'free' AND s.status = 'active'$$),
    ('paid', $$s.subscription_tier IN ('maker', 'pro', 'unlimited') AND s.status = 'active'$$),
    ('pro-unlimited', $$s.subscription_tier IN ('pro', 'unlimited') AND s.status = 'active'$$),
    ('highly-engaged',
        $$s.engagement_score >= 70 AND s.emails_received > 0 AND s.status = 'active'$$),
    ('at-risk', $$s.engagement_score < 30 AND s.status = 'active'$$),
    ('new-subscribers', $$s.subscribed_at >= now() - interval '7 days' AND s.status = 'active'$$)
) AS of_segment (slug, condition)
JOIN newsletter_segments g USING (slug)
ORDER BY slug;

-- name: settle#
ANALYZE newsletter_segment_members;
CHECKPOINT;

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;

-- name: counts
SELECT g.slug, g.subscriber_count, count(m.subscriber_id) AS members
FROM newsletter_segments g
LEFT JOIN newsletter_segment_members m ON m.segment_id = g.id
GROUP BY g.id
ORDER BY g.slug;
