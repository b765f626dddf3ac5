-- What happened in the 91 days: one row of `analytics_events` for each step of each visit, and for
-- what the ledger, the sign-ups and the history of subscriptions tell.

-- name: views()#
CREATE TEMP TABLE demo_views ON COMMIT DROP AS
SELECT visit, k, started_at + (k * 100 - 95 + 90 * pg_temp.chance(visit * 8 + k, seed + 50))
        * interval '1 second' AS at,
    -- The first page of a stranger is the front page; people at home go elsewhere than strangers.
    CASE WHEN k = 1 AND (n IS NULL OR joined) THEN '/'
        WHEN n IS NULL OR joined THEN ('{/pricing,/docs,/blog/welcome,/pricing,/about}'::text[])
            [1 + floor(5 * pg_temp.chance(visit * 8 + k, seed + 51))::int]
        ELSE ('{/dashboard,/generate,/generate,/projects,/gallery,/settings,/pricing}'::text[])
            [1 + floor(7 * pg_temp.chance(visit * 8 + k, seed + 51))::int] END AS page
FROM demo, demo_visits CROSS JOIN LATERAL generate_series(1, pages) AS k;
ANALYZE demo_views;

-- name: analytics_events()!
INSERT INTO analytics_events
    (id, event_type, event_category, user_id, metadata, "timestamp", session_id, page_url,
     country, device_type, conversion_value, properties)
WITH steps AS (
    SELECT at, 'page_view' AS type, 'user' AS category, visit, NULL::bigint AS n, page,
        '{}'::jsonb AS metadata, NULL::numeric AS value
    FROM demo_views
    UNION ALL
    SELECT at + interval '1 second', 'pricing_viewed', 'user', visit, NULL, page, '{}', NULL
    FROM demo_views WHERE page = '/pricing'
    UNION ALL
    SELECT started_at, 'user_login', 'user', visit, n, NULL, '{}', NULL
    FROM demo_visits WHERE n IS NOT NULL AND NOT joined
    UNION ALL
    SELECT started_at + (k * 41 + 30 * pg_temp.chance(visit * 8 + k, seed + 52)
            + CASE WHEN joined THEN 185 ELSE 0 END) * interval '1 second',
        CASE WHEN failed THEN 'api_error' ELSE 'api_request' END, 'system', visit, n, NULL,
        jsonb_build_object('status', CASE WHEN failed THEN 500 ELSE 200 END, 'response_time_ms',
            20 + floor(60 / (0.05 + pg_temp.chance(visit * 8 + k, seed + 54)))::int), NULL
    FROM demo, demo_visits CROSS JOIN LATERAL generate_series(1, calls) AS k
    CROSS JOIN LATERAL (
        SELECT pg_temp.chance(visit * 8 + k, seed + 53) < 0.015 AS failed) AS f
    UNION ALL
    SELECT at, 'generation_completed', 'generation', visit, n, NULL, jsonb_build_object(
        'credits', amount, 'confidence', 60 + floor(40 * pg_temp.chance(visit * 8 + k, seed + 55))::int), NULL
    FROM demo, demo_ledger WHERE type = 'generation' AND balance_after < balance_before
    UNION ALL
    SELECT at, 'generation_failed', 'generation', visit, n, NULL,
        '{"reason": "insufficient_credits"}', NULL
    FROM demo_ledger WHERE type = 'generation' AND balance_after = balance_before
    UNION ALL
    SELECT at - interval '20 seconds', 'generation_failed', 'generation', visit, n, NULL,
        '{"reason": "timeout"}', NULL
    FROM demo, demo_ledger
    WHERE type = 'generation' AND pg_temp.chance(visit * 8 + k, seed + 56) < 0.02
    UNION ALL
    SELECT created_at, 'user_created', 'user', n * 1000 + joined_on, n, NULL, '{}', NULL
    FROM demo_people
    UNION ALL
    SELECT created_at + interval '150 seconds', 'profile_created', 'content',
        n * 1000 + joined_on, n, NULL, '{}', NULL
    FROM demo, demo_people WHERE pg_temp.chance(n, seed + 57) < 0.55
    UNION ALL
    SELECT subscribed_at - interval '45 seconds', 'pricing_viewed', 'user', NULL, n, '/pricing',
        '{}', NULL
    FROM demo_people
    UNION ALL
    SELECT at, CASE reason WHEN 'trial' THEN 'trial_started' ELSE 'subscription_' || action END,
        'subscription', NULL, n, NULL, jsonb_build_object('from', from_tier, 'to', to_tier),
        CASE WHEN reason = 'trial' OR action NOT IN ('created', 'renewed') THEN NULL
            WHEN yearly THEN price_yearly_cents ELSE price_monthly_cents END / 100.0
    FROM demo_history JOIN demo_people USING (n) JOIN subscription_plans AS s ON s.tier = to_tier
    UNION ALL
    SELECT ends_at - interval '3 days', 'trial_will_end', 'subscription', NULL, n, NULL,
        jsonb_build_object('tier', plan), NULL
    FROM demo_people WHERE kind = 'trialing'
    UNION ALL
    SELECT period_start + interval '2 minutes', 'payment_failed', 'subscription', NULL, n, NULL,
        jsonb_build_object('invoice', invoice_id), NULL
    FROM demo_invoices WHERE NOT paid
    UNION ALL
    SELECT started_at + interval '70 seconds', 'comment_created', 'content', visit, n, NULL,
        '{}', NULL
    FROM demo, demo_visits
    WHERE n IS NOT NULL AND NOT joined AND pg_temp.chance(visit, seed + 58) < 0.06
    UNION ALL
    SELECT started_at + report.after, report.type, 'moderation', visit, n, NULL, '{}', NULL
    FROM demo, demo_visits CROSS JOIN LATERAL (
        SELECT pg_temp.chance(visit, seed + 59) AS luck) AS l
    JOIN LATERAL (VALUES
        ('report_created', interval '80 seconds', 0.004::float8),
        ('report_resolved', interval '9 hours', 0.0034),
        ('warning_issued', interval '9 hours 1 minute', 0.001)
    ) AS report (type, after, below) ON luck < below
    WHERE n IS NOT NULL AND NOT joined
    UNION ALL
    SELECT banned_at, 'user_banned', 'moderation', NULL, n, NULL, '{}', NULL FROM demo_people
)
SELECT md5('event' || row_number() OVER (ORDER BY at, visit, type, s.n) || '/' || seed)::uuid,
    type, category,
    CASE WHEN s.n IS NOT NULL THEN p.id
        WHEN NOT joined OR at >= p.created_at THEN v.user_id END,
    metadata, at, session_id, 'https://app.example.com' || page,
    v.country, v.device, value,
    CASE WHEN page IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('path', page) END
FROM demo
CROSS JOIN steps AS s
LEFT JOIN demo_visits AS v USING (visit)
LEFT JOIN demo_people AS p ON p.n = coalesce(s.n, v.n)
WHERE at >= first_day AND at <= now;
