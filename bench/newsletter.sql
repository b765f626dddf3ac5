-- name: subscribers!
INSERT INTO newsletter_subscribers (email, first_name, last_name, subscription_tier, interests)
SELECT 'reader' || n || '@example.com', 'First ' || n, 'Last ' || n % 5000,
    (ARRAY['free', 'free', 'maker', 'pro'])[1 + n % 4], ARRAY['news']
FROM generate_series(1, :readers ::int) AS n;

-- name: readers
SELECT lower(email) AS email, first_name, last_name, subscription_tier
FROM newsletter_subscribers ORDER BY id;

-- name: synced$
SELECT count(*) FROM newsletter_subscribers WHERE sync_status = 'synced' AND mailchimp_id <> '';

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;
