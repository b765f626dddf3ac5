-- name: days
-- By the primary key; a column that the product left NULL counts as its default.
SELECT date, coalesce(new_users, 0) AS new_users, coalesce(active_users, 0) AS active_users,
    coalesce(returning_users, 0) AS returning_users, coalesce(generations, 0) AS generations,
    coalesce(credits_used, 0) AS credits_used, coalesce(revenue_cents, 0) AS revenue_cents,
    coalesce(mrr_cents, 0) AS mrr_cents, coalesce(new_subscriptions, 0) AS new_subscriptions,
    coalesce(churned_subscriptions, 0) AS churned_subscriptions,
    coalesce(email_sent, 0) AS email_sent, coalesce(email_opened, 0) AS email_opened,
    coalesce(email_clicked, 0) AS email_clicked
FROM analytics_daily
WHERE date >= :first ::date AND date <= :last ::date
ORDER BY date
LIMIT 1000;

-- name: hours
SELECT hour, coalesce(active_users, 0) AS active_users, coalesce(page_views, 0) AS page_views,
    coalesce(api_requests, 0) AS api_requests, coalesce(api_errors, 0) AS api_errors,
    coalesce(generations, 0) AS generations, coalesce(signups, 0) AS signups
FROM analytics_hourly
WHERE hour >= :since ::timestamptz AND hour < :until ::timestamptz
ORDER BY hour
LIMIT 1000;
