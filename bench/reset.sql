-- name: people#
-- Everybody is due, and everybody's balance is below the allowance: the most that a night can ask.
INSERT INTO subscription_plans (tier, name, credits_per_day)
VALUES ('free', 'Free', 10), ('maker', 'Maker', 50), ('pro', 'Pro', 200), ('unlimited', 'All', -1);

-- name: users!
INSERT INTO app_users
    (email, display_name, subscription_tier, subscription_status, credits_remaining,
     credits_reset_at, created_at)
SELECT 'user' || n || '@example.com', 'User ' || n,
    (ARRAY['free', 'free', 'free', 'free', 'free', 'free', 'free', 'maker', 'pro', 'unlimited'])
        [1 + n % 10],
    'active', n % 5, :now ::timestamptz - interval '1 day',
    :now ::timestamptz - n % 400 * interval '1 day'
FROM generate_series(1, :users ::int) AS n;

-- name: settle#
CHECKPOINT;

-- name: ledger_rows$
SELECT count(*) FROM credit_transactions WHERE type = 'daily_reset';

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;

-- name: some
SELECT id, credits_remaining FROM app_users
WHERE credits_reset_at < :now ::timestamptz LIMIT :count ::int;

-- name: set_one!
UPDATE app_users SET credits_remaining = 999, credits_reset_at = :now WHERE id = :id;

-- name: note_one!
INSERT INTO credit_transactions
    (user_id, type, amount, balance_before, balance_after, reason, created_at)
VALUES (:id, 'daily_reset', 999 - :before ::int, :before, 999, 'daily reset', :now);
