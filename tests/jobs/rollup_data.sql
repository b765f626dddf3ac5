-- Rows come as JSON, so that one statement lays them all.

-- name: add_people!
INSERT INTO app_users (id, email, created_at, subscription_tier)
SELECT id, id ::text || '@example.com', created_at, tier
FROM jsonb_to_recordset(:rows ::jsonb) AS r (id uuid, created_at timestamptz, tier text);

-- name: add_events!
INSERT INTO analytics_events
    (id, event_type, event_category, user_id, metadata, "timestamp", session_id, page_url, properties)
SELECT gen_random_uuid(), event_type, 'user', user_id, metadata, at, session_id, page_url, properties
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    event_type text, user_id uuid, metadata jsonb, at timestamptz, session_id text, page_url text,
    properties jsonb);

-- name: add_events_b!
INSERT INTO analytics_events (id, event_type, event_category, user_id, metadata, created_at)
SELECT gen_random_uuid(), event_type, 'user', user_id, metadata, at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    event_type text, user_id uuid, metadata jsonb, at timestamptz);

-- name: add_ledger!
INSERT INTO credit_transactions
    (id, user_id, type, amount, balance_before, balance_after, created_at)
SELECT gen_random_uuid(), user_id, type, amount, 0, 0, at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    user_id uuid, type text, amount int, at timestamptz);

-- name: add_history!
INSERT INTO subscription_history
    (id, user_id, action, from_tier, to_tier, stripe_invoice_id, reason, created_at)
SELECT gen_random_uuid(), user_id, action, 'free', to_tier, invoice, reason, at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    user_id uuid, action text, to_tier text, invoice text, reason text, at timestamptz);

-- name: add_invoices!
INSERT INTO invoice_cache
    (id, user_id, stripe_invoice_id, status, amount_cents, currency, period_start, period_end,
     invoice_date, paid_at)
SELECT gen_random_uuid(), user_id, invoice, status, cents, currency, period_start, period_end,
    invoice_date, paid_at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    user_id uuid, invoice text, status text, cents int, currency text, period_start timestamptz,
    period_end timestamptz, invoice_date timestamptz, paid_at timestamptz);

-- name: add_readers!
INSERT INTO newsletter_subscribers (id, email, subscribed_at, unsubscribed_at)
SELECT gen_random_uuid(), gen_random_uuid() ::text || '@example.com', subscribed_at, unsubscribed_at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    subscribed_at timestamptz, unsubscribed_at timestamptz);

-- name: add_mail!
INSERT INTO email_events (id, event_type, occurred_at)
SELECT gen_random_uuid(), event_type, at
FROM jsonb_to_recordset(:rows ::jsonb) AS r (event_type text, at timestamptz);

-- name: hours
SELECT * FROM analytics_hourly ORDER BY hour;

-- name: days
SELECT * FROM analytics_daily ORDER BY date;

-- name: rollups
SELECT rollup, starts_at, ends_at, events, written_at FROM lamplighter.rollups
ORDER BY rollup, starts_at;

-- name: watermark$
SELECT at FROM lamplighter.watermarks WHERE job = :job AND key = :key;

-- name: set_watermark!
INSERT INTO lamplighter.watermarks (job, key, at) VALUES (:job, :key, :at)
ON CONFLICT (job, key) DO UPDATE SET at = excluded.at;

-- name: store_hour!
INSERT INTO analytics_hourly (id, hour, page_views) VALUES (gen_random_uuid(), :hour, :page_views);

-- name: store_day!
INSERT INTO analytics_daily (date, page_views, mrr_cents) VALUES (:date, :page_views, :mrr_cents);

-- name: delete_events!
DELETE FROM analytics_events WHERE {events_time} < :before;

-- name: lose_day!
-- As if nothing had ever come to it.
WITH lost AS (DELETE FROM analytics_daily WHERE date = :date)
DELETE FROM lamplighter.rollups WHERE rollup = 'daily' AND starts_at = :at;

-- name: lose_hours!
DELETE FROM analytics_hourly WHERE hour >= :first AND hour < :before;

-- name: forget!
DELETE FROM lamplighter.rollups WHERE rollup = :rollup;

-- name: drop_ledger#
DROP TABLE credit_transactions;

-- name: drop_amounts#
ALTER TABLE credit_transactions DROP amount;

-- name: store_fed_by_nobody!
INSERT INTO analytics_daily
    (date, credits_used, revenue_by_tier, mrr_cents, email_sent, conversion_rate, top_pages)
VALUES (:date, 41, '{"kept": 1}', 42, 43, 44, '[{"page": "/kept", "count": 3}]');

-- name: drop_sources#
DROP TABLE credit_transactions, subscription_history, invoice_cache, newsletter_subscribers,
    email_events CASCADE;

-- name: forget_all#
TRUNCATE lamplighter.rollups, lamplighter.watermarks;

-- name: spoil!
-- Whatever is written anew has all columns from the jobs; what is not, is seen to have none.
WITH hours AS (
    UPDATE analytics_hourly
    SET active_users = -1, page_views = -1, api_requests = -1, generations = -1,
        credits_used = -1, signups = -1, api_errors = -1, avg_response_time_ms = -1
)
UPDATE analytics_daily
SET new_users = -1, active_users = -1, returning_users = -1, generations = -1, credits_used = -1,
    avg_confidence_score = -1, new_subscriptions = -1, churned_subscriptions = -1, upgrades = -1,
    downgrades = -1, revenue_cents = -1, new_profiles = -1, new_comments = -1,
    reports_opened = -1, reports_resolved = -1, users_banned = -1, warnings_issued = -1,
    api_requests = -1, api_errors = -1, avg_response_time_ms = -1, unique_visitors = -1,
    page_views = -1, avg_session_duration_seconds = -1, bounce_rate = -1, newsletter_signups = -1,
    newsletter_unsubscribes = -1, email_sent = -1, email_opened = -1, email_clicked = -1,
    conversion_rate = -1, revenue_by_tier = '{}', top_events = '[]', top_pages = '[]';
