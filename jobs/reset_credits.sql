-- fragment: due
-- Columns that the product left NULL count as their defaults: active, free, not banned.
u.id BETWEEN :first AND :through
    AND u.id <> ALL (:refused ::uuid[])
    AND (u.credits_reset_at IS NULL OR u.credits_reset_at < :day_start)
    AND (
        coalesce(u.subscription_status, 'active') IN ('active', 'trialing')
        OR (u.subscription_status = 'canceled' AND u.subscription_ends_at > :scheduled_for)
        OR (u.subscription_status = 'past_due' AND :include_past_due ::boolean)
    )
    AND (:include_banned ::boolean OR NOT coalesce(u.is_banned, false))

-- name: stretches
SELECT keys.id AS through, keys.n AS rows
FROM (
    SELECT u.id, row_number() OVER by_key AS n, lead(u.id) OVER by_key IS NULL AS is_last
    FROM app_users u
    WHERE {due} AND coalesce(u.subscription_tier, 'free') = ANY (:tiers ::text[])
    WINDOW by_key AS (ORDER BY u.id)
) keys
WHERE keys.n % :size ::int = 0 OR keys.is_last
ORDER BY keys.n;

-- name: change^
-- The lock is the one that an UPDATE takes by itself, so who only refers to the user (a ledger row,
-- an event) neither waits for it nor makes it wait. A row that changed before it was locked is asked
-- again whether it is due, and gives its balance as it is then.
WITH allowances AS (
    SELECT tier, credits FROM unnest(:tiers ::text[], :credits ::int[]) AS a (tier, credits)
), due AS MATERIALIZED (
    SELECT u.id, a.tier, a.credits, coalesce(u.credits_remaining, 0) AS before
    FROM app_users u
    JOIN allowances a ON a.tier = coalesce(u.subscription_tier, 'free')
    WHERE {due}
    ORDER BY u.id
    FOR NO KEY UPDATE OF u SKIP LOCKED
), granted AS (
    UPDATE app_users u
    SET credits_remaining = CASE :policy ::text
            WHEN 'overwrite' THEN due.credits
            ELSE greatest(due.before, due.credits)
        END,
        credits_reset_at = :scheduled_for
    FROM due
    WHERE u.id = due.id
    RETURNING u.id, due.tier, due.before, u.credits_remaining AS after
), ledger AS (
    INSERT INTO credit_transactions
        (id, user_id, type, amount, balance_before, balance_after, reason, created_at)
    SELECT lamplighter.new_id(), id, 'daily_reset',
        -- A balance of minus two billion must not stop its neighbours.
        least(after ::bigint - before, 2147483647) ::int,
        before, after, 'daily reset', :now
    FROM granted
    WHERE after <> before
)
SELECT array_agg(tier) AS tiers, array_agg(users) AS users,
    coalesce(sum(changed), 0) ::bigint AS changed
FROM (
    SELECT tier, count(*) AS users, count(*) FILTER (WHERE after <> before) AS changed
    FROM granted
    GROUP BY tier
) tiers;

-- name: lock_first$
SELECT u.id
FROM app_users u
WHERE {due} AND coalesce(u.subscription_tier, 'free') = ANY (:tiers ::text[])
ORDER BY u.id
LIMIT 1
FOR NO KEY UPDATE;

-- name: without_allowance
SELECT coalesce(u.subscription_tier, 'free') AS tier, count(*) AS users
FROM app_users u
WHERE {due} AND coalesce(u.subscription_tier, 'free') <> ALL (:tiers ::text[])
GROUP BY 1
ORDER BY 1;
