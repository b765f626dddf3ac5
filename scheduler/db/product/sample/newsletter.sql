-- Who reads the newsletter, and how they took its three monthly issues.

-- name: readers()#
-- Three people in ten, and strangers besides (numbers above all people). How it went decides the
-- status, and whoever left, bounced or complained did so after the last issue that reached them.
CREATE TEMP TABLE demo_readers ON COMMIT DROP AS
WITH drawn AS MATERIALIZED (
    SELECT r.*, pg_temp.chance(number, seed + 61) AS luck,
        pg_temp.chance(number, seed + 62) AS keenness, now, seed, first_day
    FROM demo, (
        SELECT n AS number, n, created_at + interval '5 minutes' AS subscribed_at
        FROM demo, demo_people
        WHERE pg_temp.chance(n, seed + 60) < 0.3 AND created_at + interval '5 minutes' <= now
        UNION ALL
        SELECT users + i, NULL, now - pg_temp.chance(users + i, seed + 63) * interval '300 days'
        FROM demo, generate_series(1, greatest(1, users / 40)) AS i
    ) AS r
)
SELECT number, n, subscribed_at, keenness,
    pg_temp.made_id('subscriber', number, seed) AS id,
    CASE WHEN luck < 0.06 THEN 'unsubscribed' WHEN luck < 0.08 THEN 'bounced'
        WHEN luck < 0.085 THEN 'complained' WHEN luck < 0.1 THEN 'cleaned' ELSE 'active' END
        AS status,
    CASE WHEN luck < 0.1
        THEN subscribed_at + (now - subscribed_at) * pg_temp.chance(number, seed + 64) END
        AS left_at
FROM drawn;
ANALYZE demo_readers;

-- name: mail()#
CREATE TEMP TABLE demo_mail ON COMMIT DROP AS
SELECT number, issue, event_type, at
FROM demo CROSS JOIN demo_readers
CROSS JOIN generate_series(0, 2) AS issue
CROSS JOIN LATERAL (
    SELECT first_day + 10 + issue * 30 + time '07:00' AS local_at,
        pg_temp.chance(number * 4 + issue, seed + 65) AS luck) AS l
CROSS JOIN LATERAL (
    SELECT local_at::timestamptz + number % 1800 * interval '1 second' AS sent_at) AS s
CROSS JOIN LATERAL (VALUES
    ('sent', sent_at, true),
    ('delivered', sent_at + interval '4 seconds', true),
    ('opened', sent_at + (1 + 90000 * luck) * interval '1 second', luck < keenness),
    ('clicked', sent_at + (31 + 90000 * luck) * interval '1 second', luck < keenness * 0.3)
) AS event (event_type, at, happened)
WHERE happened AND sent_at > subscribed_at AND at <= now
    AND (left_at IS NULL OR at < left_at);
ANALYZE demo_mail;

-- name: newsletter_subscribers()!
INSERT INTO newsletter_subscribers
    (id, status, email, user_id, first_name, last_name, subscription_tier, interests,
     sync_status, emails_received, emails_opened, emails_clicked, last_email_at, last_opened_at,
     last_clicked_at, engagement_score, source, utm_source, double_optin, double_optin_at,
     subscribed_at, unsubscribed_at, created_at, updated_at)
SELECT r.id, r.status, coalesce(u.email, 'reader.' || number || '@example.com'), u.id,
    split_part(u.display_name, ' ', 1), split_part(u.display_name, ' ', 2), u.subscription_tier,
    CASE number % 4 WHEN 1 THEN '{news}' WHEN 2 THEN '{tips}' WHEN 3 THEN '{news,releases}' END
        ::text[],
    'pending', coalesce(received, 0), coalesce(opened, 0), coalesce(clicked, 0), last_email_at,
    last_opened_at, last_clicked_at,
    least(100, coalesce(50.0 * opened / nullif(received, 0), 0)
        + coalesce(50.0 * clicked / nullif(opened, 0), 0)),
    CASE WHEN n IS NULL THEN 'website' ELSE 'signup' END,
    CASE WHEN n IS NULL THEN 'search' END, n IS NULL,
    CASE WHEN n IS NULL THEN r.subscribed_at END, r.subscribed_at,
    CASE r.status WHEN 'unsubscribed' THEN left_at END, r.subscribed_at,
    greatest(r.subscribed_at, left_at, m.last_at)
FROM demo_readers AS r
LEFT JOIN demo_people AS p USING (n)
LEFT JOIN app_users AS u ON u.id = p.id
LEFT JOIN (
    SELECT number, max(at) AS last_at,
        count(*) FILTER (WHERE event_type = 'delivered') AS received,
        count(*) FILTER (WHERE event_type = 'opened') AS opened,
        count(*) FILTER (WHERE event_type = 'clicked') AS clicked,
        max(at) FILTER (WHERE event_type = 'delivered') AS last_email_at,
        max(at) FILTER (WHERE event_type = 'opened') AS last_opened_at,
        max(at) FILTER (WHERE event_type = 'clicked') AS last_clicked_at
    FROM demo_mail GROUP BY 1
) AS m USING (number)
ORDER BY number;

-- name: email_events()!
INSERT INTO email_events
    (id, subscriber_id, event_type, email, link_url, provider, provider_event_id, occurred_at)
SELECT pg_temp.made_id('mail', place, seed), s.id, event_type, s.email,
    CASE event_type WHEN 'clicked' THEN 'https://app.example.com/blog/issue-' || issue + 1 END,
    'smtp', 'mail_demo_' || place, at
FROM demo
CROSS JOIN (
    SELECT *, row_number() OVER (ORDER BY at, number, event_type) AS place FROM demo_mail) AS m
JOIN demo_readers AS r USING (number)
JOIN newsletter_subscribers AS s ON s.id = r.id
ORDER BY place;
