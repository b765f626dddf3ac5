-- name: add_plan!
INSERT INTO subscription_plans (id, tier, name, credits_per_day, is_active)
VALUES (gen_random_uuid(), :tier ::text, :tier ::text, :credits_per_day, :is_active);

-- name: add_user$
INSERT INTO app_users (
    id, email, subscription_tier, subscription_status, subscription_id, subscription_ends_at,
    credits_remaining, credits_reset_at, is_banned
)
VALUES (
    coalesce(:id, gen_random_uuid()), coalesce(:email, gen_random_uuid() ::text || '@example.com'),
    :subscription_tier, :subscription_status, :subscription_id, :subscription_ends_at,
    :credits_remaining, :credits_reset_at, :is_banned
)
RETURNING id;

-- name: add_crowd!
-- Many free users whose balances differ.
INSERT INTO app_users (id, email, credits_remaining, credits_reset_at)
SELECT gen_random_uuid(), 'crowd-' || n || '@example.com', n % 20, NULL
FROM generate_series(1, :users ::int) n;

-- name: expire_crowd!
UPDATE app_users
SET subscription_tier = 'pro', subscription_status = 'canceled', subscription_id = 'sub_crowd',
    subscription_ends_at = :ends_at
WHERE email LIKE 'crowd-%';

-- name: users
SELECT id, email, subscription_tier, subscription_status, subscription_id, subscription_ends_at,
    credits_remaining, credits_reset_at, is_banned
FROM app_users
ORDER BY id;

-- name: ledger
SELECT user_id, type, amount, balance_before, balance_after, created_at
FROM credit_transactions
ORDER BY user_id, created_at, balance_before;

-- name: history
SELECT user_id, action, from_tier, to_tier, stripe_subscription_id, reason, created_at
FROM subscription_history
ORDER BY user_id;

-- name: spend!
-- As the product does it: the balance and its ledger row in one statement.
WITH spent AS (
    UPDATE app_users SET credits_remaining = credits_remaining - 1
    WHERE id = :id AND credits_remaining > 0
    RETURNING id, credits_remaining
)
INSERT INTO credit_transactions
    (id, user_id, type, amount, balance_before, balance_after, created_at)
SELECT gen_random_uuid(), id, 'generation', -1, credits_remaining + 1, credits_remaining, :at
FROM spent;

-- name: subscribe_again!
UPDATE app_users
SET subscription_status = 'active', subscription_id = 'sub_new', subscription_ends_at = NULL
WHERE id = :id;

-- name: refuse_changes#
-- The product's own rule that one user meets and the others do not.
CREATE FUNCTION refuse_one_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email = 'refused@example.com' THEN
        RAISE EXCEPTION 'this user is under investigation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_one_user BEFORE UPDATE ON app_users
    FOR EACH ROW EXECUTE FUNCTION refuse_one_user();

-- name: add_webhook$
INSERT INTO payment_webhooks (id, event_type, event_id, payload, processed, created_at)
VALUES (gen_random_uuid(), 'invoice.paid', gen_random_uuid() ::text, '{}', :processed, :created_at)
RETURNING id;

-- name: keep_webhook#
-- A table of the product's that holds on to webhooks that it refers to.
CREATE TABLE disputes (webhook_id uuid NOT NULL REFERENCES payment_webhooks);

-- name: dispute!
INSERT INTO disputes (webhook_id) VALUES (:webhook_id);

-- name: lock_webhook!
SELECT FROM payment_webhooks WHERE id = :id FOR UPDATE;

-- name: webhooks
SELECT id FROM payment_webhooks ORDER BY created_at, id;

-- name: add_events!
INSERT INTO analytics_events (id, event_type, event_category, {events_time})
SELECT gen_random_uuid(), 'page_view', 'user', at FROM unnest(:times ::timestamptz[]) at;

-- name: add_ancient!
-- Older than any moment that Python knows.
WITH hook AS (
    INSERT INTO payment_webhooks (id, event_type, event_id, payload, processed, created_at)
    VALUES (gen_random_uuid(), 'invoice.paid', gen_random_uuid() ::text, '{}', true, :at ::text ::timestamptz)
), day AS (
    INSERT INTO analytics_daily (date) VALUES (:at ::text ::date)
)
INSERT INTO analytics_events (id, event_type, event_category, {events_time})
VALUES (gen_random_uuid(), 'page_view', 'user', :at ::text ::timestamptz);

-- name: event_times
SELECT {events_time} AS at FROM analytics_events ORDER BY 1;

-- name: roll_up!
-- As aggregate-analytics leaves it behind.
WITH days AS (
    INSERT INTO analytics_daily (date) SELECT day FROM unnest(:days ::date[]) day RETURNING date
)
INSERT INTO lamplighter.watermarks AS w (job, at)
SELECT 'aggregate-analytics', max(date) + interval '1 day' FROM days
ON CONFLICT (job, key) DO UPDATE SET at = greatest(w.at, excluded.at);

-- name: store_days!
-- As somebody else writes them.
INSERT INTO analytics_daily (date) SELECT day FROM unnest(:days ::date[]) day;

-- name: watermarks
SELECT job, key, at FROM lamplighter.watermarks ORDER BY job, key;

-- name: set_watermark!
INSERT INTO lamplighter.watermarks (job, key, at) VALUES (:job, :key, :at)
ON CONFLICT (job, key) DO UPDATE SET at = excluded.at;

-- name: add_runs!
INSERT INTO lamplighter.runs
    (id, job, job_type, trigger, status, scheduled_for, overlap_key, params, created_at,
     finished_at, max_attempts)
SELECT gen_random_uuid(), :job ::text, :job ::text, 'http', :status ::text, at, gen_random_uuid() ::text, '{}', at,
    CASE WHEN :status ::text IN ('queued', 'running', 'retrying') THEN NULL ELSE at END, 1
FROM unnest(:times ::timestamptz[]) at;

-- name: runs
SELECT job, status, finished_at, scheduled_for FROM lamplighter.runs ORDER BY job, seq;
