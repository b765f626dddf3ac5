-- fragment: due
-- A grace is never negative, so nobody is due whose subscription has not ended yet: that bound is
-- what an index can serve. Where unpaid subscriptions do not expire, their bound is NULL.
u.id BETWEEN :first AND :through
    AND u.id <> ALL (:refused ::uuid[])
    AND u.subscription_status IN ('canceled', 'past_due')
    AND u.subscription_ends_at < :scheduled_for
    AND u.subscription_ends_at < CASE u.subscription_status
        WHEN 'canceled' THEN :canceled_before ::timestamptz
        ELSE :past_due_before ::timestamptz
    END

-- name: stretches
SELECT keys.id AS through, keys.n AS rows
FROM (
    SELECT u.id, row_number() OVER by_key AS n, lead(u.id) OVER by_key IS NULL AS is_last
    FROM app_users u
    WHERE {due}
    WINDOW by_key AS (ORDER BY u.id)
) keys
WHERE keys.n % :size ::int = 0 OR keys.is_last
ORDER BY keys.n;

-- name: change^
-- A row that changed before it was locked is asked again whether it is due: who subscribed again
-- meanwhile is not in it.
WITH allowances AS (
    SELECT tier, credits FROM unnest(:tiers ::text[], :credits ::int[]) AS a (tier, credits)
), due AS MATERIALIZED (
    SELECT u.id, coalesce(u.subscription_tier, 'free') AS tier, u.subscription_status AS status,
        u.subscription_id, coalesce(u.credits_remaining, 0) AS before,
        -- What is left without the old tier's allowance; two billion below zero is still a number.
        coalesce(u.credits_remaining, 0) ::bigint - coalesce(a.credits, 0) AS bought
    FROM app_users u
    LEFT JOIN allowances a ON a.tier = coalesce(u.subscription_tier, 'free')
    WHERE {due}
    ORDER BY u.id
    FOR NO KEY UPDATE OF u SKIP LOCKED
), activated AS (
    UPDATE app_users u
    SET subscription_status = 'active'
    FROM due
    WHERE u.id = due.id AND due.tier = 'free'
    RETURNING u.id
), downgraded AS (
    UPDATE app_users u
    SET subscription_tier = 'free',
        subscription_status = 'active',
        subscription_id = NULL,
        subscription_ends_at = NULL,
        credits_remaining = CASE :on_expiry ::text
            WHEN 'keep' THEN u.credits_remaining
            WHEN 'overwrite' THEN coalesce(:free_credits ::int, u.credits_remaining)
            ELSE greatest(coalesce(:free_credits ::int, 0), due.bought) ::int
        END,
        credits_reset_at = greatest(u.credits_reset_at, :scheduled_for)
    FROM due
    WHERE u.id = due.id AND due.tier <> 'free'
    RETURNING u.id, due.tier, due.status, due.subscription_id, due.before,
        coalesce(u.credits_remaining, 0) AS after
), history AS (
    INSERT INTO subscription_history
        (id, user_id, action, from_tier, to_tier, stripe_subscription_id, reason, created_at)
    SELECT lamplighter.new_id(), id, 'expired', tier, 'free', subscription_id,
        CASE status WHEN 'canceled' THEN 'canceled subscription ended'
            ELSE 'unpaid subscription ended' END,
        :now
    FROM downgraded
), ledger AS (
    INSERT INTO credit_transactions
        (id, user_id, type, amount, balance_before, balance_after, reason, created_at)
    SELECT lamplighter.new_id(), id, 'expiration',
        least(after ::bigint - before, 2147483647) ::int,
        before, after, 'subscription expired', :now
    FROM downgraded
    WHERE after <> before
)
SELECT array_agg(tier) AS tiers, array_agg(users) AS users,
    coalesce(sum(changed), 0) ::bigint AS changed,
    (SELECT count(*) FROM activated) AS activated
FROM (
    SELECT tier, count(*) AS users, count(*) FILTER (WHERE after <> before) AS changed
    FROM downgraded
    GROUP BY tier
) tiers;

-- name: lock_first$
SELECT u.id
FROM app_users u
WHERE {due}
ORDER BY u.id
LIMIT 1
FOR NO KEY UPDATE;
