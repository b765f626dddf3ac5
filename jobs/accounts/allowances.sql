-- name: plans
SELECT tier, credits_per_day FROM subscription_plans ORDER BY tier;
