-- name: days!
-- So many days up to one, with numbers of any size.
INSERT INTO analytics_daily
    (date, new_users, active_users, returning_users, generations, credits_used, revenue_cents,
     mrr_cents, new_subscriptions, churned_subscriptions, email_sent, email_opened, email_clicked)
SELECT :last ::date - n, :size ::int + 1, :size ::int + 2, :size ::int + 3, :size ::int + 4,
    :size ::int + 5, :size ::int + 6, :size ::int + 7, :size ::int + 8, :size ::int + 9,
    :size ::int + 10, :size ::int + 11, :size ::int + 12
FROM generate_series(0, :days ::int - 1) AS n;

-- name: forget_day!
DELETE FROM analytics_daily WHERE date = :day ::date;

-- name: hours!
INSERT INTO analytics_hourly (hour, active_users, page_views, generations, api_requests, api_errors)
SELECT :last ::timestamptz - n * interval '1 hour', :size ::int + n, 1, :size ::int, 2, NULL
FROM generate_series(0, :hours ::int - 1) AS n;

-- name: funnel!
INSERT INTO analytics_funnels
    (name, slug, description, status, steps, total_entered, total_completed, conversion_rate,
     avg_time_to_complete, step_metrics, last_computed_at)
VALUES (:name, :slug, :description, :status, :steps ::text ::jsonb, 1200, 300, 25.00,
    :average ::text ::interval, :metrics ::text ::jsonb, :computed_at ::text ::timestamptz);

-- name: cohort!
INSERT INTO analytics_cohorts
    (name, slug, description, granularity, metric, cohort_data, last_computed_at)
VALUES (:name, :slug, :description, 'week', :metric, :data ::text ::jsonb,
    :computed_at ::text ::timestamptz);

-- name: segment!
INSERT INTO newsletter_segments
    (name, slug, description, criteria, subscriber_count, is_dynamic, last_computed_at)
VALUES (:name, :slug, :description, :criteria ::text ::jsonb, :members, :dynamic,
    :computed_at ::text ::timestamptz);

-- name: drop_column!
ALTER TABLE analytics_daily DROP COLUMN mrr_cents;

-- name: lock_hours!
LOCK TABLE analytics_hourly IN ACCESS EXCLUSIVE MODE;
