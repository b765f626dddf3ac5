-- The days and hours that have been rolled up already: all but the last two whole days, counted
-- from the rows as they were laid, by the formulas of the jobs that go on from there. Days and hours
-- are of UTC.

-- name: analytics_hourly()!
INSERT INTO analytics_hourly
    (id, hour, active_users, page_views, api_requests, generations, credits_used, signups,
     api_errors, avg_response_time_ms, computed_at)
SELECT pg_temp.made_id('hour', extract(epoch FROM hour)::bigint, seed), hour,
    coalesce(active_users, 0), coalesce(page_views, 0), coalesce(api_requests, 0),
    coalesce(generations, 0), coalesce(credits_used, 0), coalesce(signups, 0),
    coalesce(api_errors, 0), avg_response_time_ms, hour + interval '1 hour 2 minutes'
FROM demo
CROSS JOIN generate_series(
    first_day::timestamptz, today - interval '2 days 1 hour', interval '1 hour') AS hour
LEFT JOIN (
    SELECT date_trunc('hour', "timestamp") AS hour, count(DISTINCT user_id) AS active_users,
        count(*) FILTER (WHERE event_type = 'page_view') AS page_views,
        count(*) FILTER (WHERE event_type IN ('api_request', 'api_error')) AS api_requests,
        count(*) FILTER (WHERE event_type = 'generation_completed') AS generations,
        count(*) FILTER (WHERE event_type = 'api_error') AS api_errors,
        round(avg((metadata ->> 'response_time_ms')::numeric))::int AS avg_response_time_ms
    FROM analytics_events GROUP BY 1
) AS e USING (hour)
LEFT JOIN (
    SELECT date_trunc('hour', created_at) AS hour, -sum(amount) AS credits_used
    FROM credit_transactions WHERE type = 'generation' GROUP BY 1
) AS c USING (hour)
LEFT JOIN (
    SELECT date_trunc('hour', created_at) AS hour, count(*) AS signups FROM app_users GROUP BY 1
) AS u USING (hour)
ORDER BY hour;

-- name: analytics_daily()!
INSERT INTO analytics_daily
    (date, new_users, active_users, returning_users, generations, credits_used,
     avg_confidence_score, new_subscriptions, churned_subscriptions, upgrades, downgrades,
     revenue_cents, mrr_cents, new_profiles, new_comments, reports_opened, reports_resolved,
     users_banned, warnings_issued, api_requests, api_errors, avg_response_time_ms, computed_at,
     unique_visitors, page_views, avg_session_duration_seconds, bounce_rate, newsletter_signups,
     newsletter_unsubscribes, email_sent, email_opened, email_clicked, conversion_rate,
     revenue_by_tier, top_events, top_pages)
WITH totals AS (
    SELECT "timestamp"::date AS date,
        count(*) FILTER (WHERE event_type = 'generation_completed') AS generations,
        count(*) FILTER (WHERE event_type = 'profile_created') AS new_profiles,
        count(*) FILTER (WHERE event_type = 'comment_created') AS new_comments,
        count(*) FILTER (WHERE event_type = 'report_created') AS reports_opened,
        count(*) FILTER (WHERE event_type = 'report_resolved') AS reports_resolved,
        count(*) FILTER (WHERE event_type = 'user_banned') AS users_banned,
        count(*) FILTER (WHERE event_type = 'warning_issued') AS warnings_issued,
        count(*) FILTER (WHERE event_type IN ('api_request', 'api_error')) AS api_requests,
        count(*) FILTER (WHERE event_type = 'api_error') AS api_errors,
        round(avg((metadata ->> 'response_time_ms')::numeric))::int AS avg_response_time_ms,
        avg((metadata ->> 'confidence')::numeric)
            FILTER (WHERE event_type = 'generation_completed') AS avg_confidence_score
    FROM analytics_events GROUP BY 1
), seen AS MATERIALIZED (
    SELECT "timestamp"::date AS date, user_id, session_id,
        min("timestamp") AS first_at, max("timestamp") AS last_at,
        count(*) FILTER (WHERE event_type = 'page_view') AS page_views
    FROM analytics_events GROUP BY 1, 2, 3
), visitors AS (
    SELECT date, count(DISTINCT user_id) AS active_users,
        count(DISTINCT user_id) FILTER (WHERE u.created_at < date) AS returning_users,
        count(DISTINCT coalesce(user_id::text, session_id) COLLATE "C") AS unique_visitors,
        sum(page_views) AS page_views
    FROM seen LEFT JOIN app_users AS u ON u.id = user_id GROUP BY 1
), alone AS (
    -- Without a session's id, silence of 30 minutes is what ends one; a lone event is none.
    SELECT date, user_id, at, is_page_view,
        count(*) FILTER (WHERE begins) OVER (PARTITION BY date, user_id ORDER BY at) AS number
    FROM (
        SELECT "timestamp"::date AS date, user_id, "timestamp" AS at,
            event_type = 'page_view' AS is_page_view,
            "timestamp" - lag("timestamp") OVER (
                PARTITION BY "timestamp"::date, user_id ORDER BY "timestamp"
            ) < interval '30 minutes' IS NOT TRUE AS begins
        FROM analytics_events WHERE session_id IS NULL AND user_id IS NOT NULL
    ) AS a
), sessions AS (
    SELECT date, extract(epoch FROM avg(last_at - first_at)) AS seconds,
        100.0 * count(*) FILTER (WHERE page_views = 1) / count(*) AS bounce_rate
    FROM (
        SELECT date, min(first_at) AS first_at, max(last_at) AS last_at,
            sum(page_views) AS page_views
        FROM seen WHERE session_id IS NOT NULL GROUP BY date, session_id COLLATE "C"
        UNION ALL
        SELECT date, min(at), max(at), count(*) FILTER (WHERE is_page_view)
        FROM alone GROUP BY date, user_id, number
        HAVING count(*) > 1 OR bool_or(is_page_view)
    ) AS s GROUP BY 1
), top_events AS (
    SELECT date, jsonb_agg(jsonb_build_object('event', event_type, 'count', count)
        ORDER BY count DESC, event_type COLLATE "C") AS top_events
    FROM (
        SELECT "timestamp"::date AS date, event_type, count(*) AS count,
            row_number() OVER (
                PARTITION BY "timestamp"::date ORDER BY count(*) DESC, event_type COLLATE "C"
            ) AS place
        FROM analytics_events GROUP BY 1, 2
    ) AS t WHERE place <= 10 GROUP BY 1
), top_pages AS (
    SELECT date, jsonb_agg(jsonb_build_object('page', page_url, 'count', count)
        ORDER BY count DESC, page_url COLLATE "C") AS top_pages
    FROM (
        SELECT "timestamp"::date AS date, page_url, count(*) AS count,
            row_number() OVER (
                PARTITION BY "timestamp"::date ORDER BY count(*) DESC, page_url COLLATE "C"
            ) AS place
        FROM analytics_events WHERE event_type = 'page_view' AND page_url IS NOT NULL
        GROUP BY 1, 2
    ) AS t WHERE place <= 10 GROUP BY 1
), joined AS (
    SELECT created_at::date AS date, count(*) AS new_users FROM app_users GROUP BY 1
), spent AS (
    SELECT created_at::date AS date, -sum(amount) AS credits_used
    FROM credit_transactions WHERE type = 'generation' GROUP BY 1
), plans AS (
    SELECT created_at::date AS date,
        count(*) FILTER (WHERE action = 'created' AND reason IS DISTINCT FROM 'trial')
            AS new_subscriptions,
        count(*) FILTER (WHERE action = 'canceled' OR (action = 'expired' AND NOT had_canceled))
            AS churned_subscriptions,
        count(*) FILTER (WHERE action = 'upgraded') AS upgrades,
        count(*) FILTER (WHERE action = 'downgraded') AS downgrades
    FROM (
        SELECT created_at, action, reason,
            max(created_at) FILTER (WHERE action = 'canceled') OVER person
                >= max(created_at) FILTER (WHERE action = 'created') OVER person AS had_canceled
        FROM subscription_history
        WINDOW person AS (PARTITION BY user_id ORDER BY created_at)
    ) AS h
    GROUP BY 1
), invoices AS (
    SELECT DISTINCT ON (i.id) i.paid_at::date AS date,
        (i.period_end - interval '1 microsecond')::date AS end_date, i.amount_cents,
        CASE WHEN i.period_end - i.period_start >= interval '300 days'
            THEN i.amount_cents ELSE i.amount_cents * 12 END AS yearly_cents,
        coalesce(h.to_tier, u.subscription_tier, 'free') AS tier
    FROM invoice_cache AS i
    JOIN app_users AS u ON u.id = i.user_id
    LEFT JOIN subscription_history AS h ON h.user_id = i.user_id
        AND (h.stripe_invoice_id = i.stripe_invoice_id
            OR h.created_at <= i.paid_at + interval '1 hour')
    WHERE i.status = 'paid' AND i.currency = 'usd'
    ORDER BY i.id, h.stripe_invoice_id IS NOT DISTINCT FROM i.stripe_invoice_id DESC,
        h.created_at DESC, h.id DESC
), revenue AS (
    SELECT date, sum(cents) AS revenue_cents, jsonb_object_agg(tier, cents) AS revenue_by_tier
    FROM (SELECT date, tier, sum(amount_cents) AS cents FROM invoices GROUP BY 1, 2) AS r
    GROUP BY 1
), mrr AS (
    -- What is paid for goes on until its period ends, and one invoice follows the other: a running
    -- sum of what began and what ended.
    SELECT date, round(sum(sum(change)) OVER (ORDER BY date) / 12.0) AS mrr_cents
    FROM (SELECT date, yearly_cents AS change FROM invoices
          UNION ALL SELECT end_date, -yearly_cents FROM invoices
          UNION ALL SELECT first_day + day, 0 FROM demo, generate_series(0, 90) AS day) AS c
    GROUP BY 1
), readers AS (
    SELECT date, count(*) FILTER (WHERE came) AS newsletter_signups,
        count(*) FILTER (WHERE NOT came) AS newsletter_unsubscribes
    FROM (SELECT subscribed_at::date AS date, true AS came FROM newsletter_subscribers
          UNION ALL SELECT unsubscribed_at::date, false FROM newsletter_subscribers
          WHERE unsubscribed_at IS NOT NULL) AS r
    GROUP BY 1
), mail AS (
    SELECT occurred_at::date AS date,
        count(*) FILTER (WHERE event_type = 'sent') AS email_sent,
        count(*) FILTER (WHERE event_type = 'opened') AS email_opened,
        count(*) FILTER (WHERE event_type = 'clicked') AS email_clicked
    FROM email_events GROUP BY 1
)
SELECT date, coalesce(new_users, 0), coalesce(active_users, 0), coalesce(returning_users, 0),
    coalesce(generations, 0), coalesce(credits_used, 0), avg_confidence_score,
    coalesce(new_subscriptions, 0), coalesce(churned_subscriptions, 0), coalesce(upgrades, 0),
    coalesce(downgrades, 0), coalesce(revenue_cents, 0), coalesce(mrr_cents, 0),
    coalesce(new_profiles, 0), coalesce(new_comments, 0), coalesce(reports_opened, 0),
    coalesce(reports_resolved, 0), coalesce(users_banned, 0), coalesce(warnings_issued, 0),
    coalesce(api_requests, 0), coalesce(api_errors, 0), avg_response_time_ms,
    date::timestamptz + interval '1 day 5 minutes', coalesce(unique_visitors, 0),
    coalesce(page_views, 0), round(seconds)::int, bounce_rate, coalesce(newsletter_signups, 0),
    coalesce(newsletter_unsubscribes, 0), coalesce(email_sent, 0), coalesce(email_opened, 0),
    coalesce(email_clicked, 0),
    CASE WHEN new_users > 0
        THEN least(999.99, 100.0 * coalesce(new_subscriptions, 0) / new_users) END,
    coalesce(revenue_by_tier, '{}'), coalesce(top_events, '[]'), coalesce(top_pages, '[]')
FROM (SELECT first_day + day AS date FROM demo, generate_series(0, 87) AS day) AS days
LEFT JOIN totals USING (date)
LEFT JOIN visitors USING (date)
LEFT JOIN sessions USING (date)
LEFT JOIN top_events USING (date)
LEFT JOIN top_pages USING (date)
LEFT JOIN joined USING (date)
LEFT JOIN spent USING (date)
LEFT JOIN plans USING (date)
LEFT JOIN revenue USING (date)
LEFT JOIN mrr USING (date)
LEFT JOIN readers USING (date)
LEFT JOIN mail USING (date)
ORDER BY date;

-- name: remember_rollups()#
-- So that the jobs go on from there. A database without our schema has no jobs.
DO $$
BEGIN
    IF to_regclass('lamplighter.rollups') IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO lamplighter.rollups (rollup, starts_at, ends_at, events, written_at)
    SELECT 'hourly', hour, hour + interval '1 hour', coalesce(events, 0), computed_at
    FROM analytics_hourly
    LEFT JOIN (
        SELECT date_trunc('hour', "timestamp") AS hour, count(*) AS events
        FROM analytics_events GROUP BY 1
    ) AS e USING (hour)
    UNION ALL
    SELECT 'daily', date::timestamptz, date + interval '1 day', coalesce(events, 0), computed_at
    FROM analytics_daily
    LEFT JOIN (
        SELECT "timestamp"::date AS date, count(*) AS events FROM analytics_events GROUP BY 1
    ) AS e USING (date);
    INSERT INTO lamplighter.watermarks (job, at)
    SELECT job, (today - 2)::timestamptz
    FROM demo, (VALUES ('aggregate-hourly'), ('aggregate-analytics')) AS jobs (job);
END $$;
