-- name: add_people!
INSERT INTO app_users (id, email, created_at, subscription_tier, is_banned)
SELECT id, id ::text || '@example.com', created_at, tier, banned
FROM unnest(:ids ::uuid[], :created_at ::timestamptz[], :tiers ::text[], :banned ::boolean[])
    AS p (id, created_at, tier, banned);

-- name: add_events!
INSERT INTO analytics_events (id, event_type, event_category, user_id, {events_time})
SELECT gen_random_uuid(), type, 'user', user_id, at
FROM unnest(:types ::text[], :users ::uuid[], :times ::timestamptz[]) AS e (type, user_id, at);

-- name: add_invoices!
INSERT INTO invoice_cache
    (user_id, stripe_invoice_id, status, amount_cents, currency, invoice_date, paid_at)
SELECT user_id, gen_random_uuid() ::text, status, cents, currency, invoiced, paid
FROM unnest(:users ::uuid[], :statuses ::text[], :cents ::int[], :currencies ::text[],
            :invoiced ::timestamptz[], :paid ::timestamptz[])
    AS i (user_id, status, cents, currency, invoiced, paid);

-- name: add_history!
INSERT INTO subscription_history (user_id, action, reason, created_at)
SELECT user_id, action, reason, at
FROM unnest(:users ::uuid[], :actions ::text[], :reasons ::text[], :times ::timestamptz[])
    AS h (user_id, action, reason, at);

-- name: add_cohort$
INSERT INTO analytics_cohorts
    (name, slug, status, cohort_type, granularity, metric, filters, start_date, end_date, cohort_data)
VALUES (:slug ::text, :slug ::text, :status, :cohort_type, :granularity, :metric, :filters ::text ::jsonb,
        :start_date ::text ::date, :end_date ::text ::date, :cohort_data ::text ::jsonb)
RETURNING id;

-- name: cohorts
SELECT slug, cohort_data ::text AS data, last_computed_at FROM analytics_cohorts ORDER BY slug;

-- name: change!
UPDATE analytics_cohorts SET filters = :filters ::text ::jsonb WHERE slug = :slug;

-- name: allow_any_type#
ALTER TABLE analytics_cohorts DROP CONSTRAINT analytics_cohorts_cohort_type_check;

-- name: write_dates_in_german#
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET DateStyle = German', current_database());
END $$;

-- name: lock!
SELECT FROM analytics_cohorts WHERE slug = :slug FOR UPDATE;

-- name: add_odd_rows!
-- Of moments that PostgreSQL knows and Python may not; for a person who is there, and of another.
WITH another AS (
    INSERT INTO app_users (id, email, created_at)
    VALUES (gen_random_uuid(), 'another@example.com', :at ::text ::timestamptz)
), paid AS (
    INSERT INTO invoice_cache (user_id, stripe_invoice_id, status, amount_cents, invoice_date, paid_at)
    VALUES (:user_id, 'odd', 'paid', 100, :at ::text ::timestamptz, :at ::text ::timestamptz)
), subscribed AS (
    INSERT INTO subscription_history (user_id, action, created_at)
    VALUES (:user_id, 'created', :at ::text ::timestamptz)
)
INSERT INTO analytics_events (id, event_type, event_category, user_id, {events_time})
VALUES (gen_random_uuid(), 'page_view', 'user', :user_id, :at ::text ::timestamptz);

-- name: delete_events!
DELETE FROM analytics_events
WHERE {events_time} < coalesce(:before ::timestamptz, 'infinity')
    AND {events_time} >= coalesce(:after ::timestamptz, '-infinity');

-- name: delete_person!
DELETE FROM app_users WHERE id = :id;

-- name: edit_last_meanwhile#
-- Somebody changes the last cohort while the first one is written.
CREATE FUNCTION edit_last() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE analytics_cohorts SET metric = 'engagement' WHERE slug = 'z-last';
    RETURN NULL;
END $$;
CREATE TRIGGER edit_last AFTER UPDATE OF cohort_data ON analytics_cohorts
    FOR EACH ROW WHEN (NEW.slug = 'a-first') EXECUTE FUNCTION edit_last();

-- name: drop_invoices#
DROP TABLE invoice_cache;

-- name: people
SELECT id, created_at, subscription_tier, is_banned FROM app_users;

-- name: events
SELECT event_type, user_id, {events_time} AS at FROM analytics_events;

-- name: invoices
SELECT user_id, status, amount_cents, currency, invoice_date, paid_at FROM invoice_cache;

-- name: history
SELECT user_id, action, reason, created_at FROM subscription_history;
