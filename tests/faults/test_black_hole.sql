-- name: stock!
WITH plan AS (
    INSERT INTO subscription_plans (tier, name, credits_per_day) VALUES ('free', 'Free', 10)
)
INSERT INTO app_users (email, credits_remaining, credits_reset_at)
SELECT 'user' || n || '@example.com', n % 10, NULL FROM generate_series(1, :users ::int) AS n;

-- name: hold_last_user!
SELECT FROM app_users ORDER BY id DESC LIMIT 1 FOR UPDATE;

-- name: waits_for_a_lock$
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'lamplighter job'
      AND wait_event_type = 'Lock');

-- name: nobody_idles_in_a_transaction$
SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '5 s');

-- name: resets^
SELECT (SELECT count(*) FROM app_users) AS users,
       (SELECT count(*) FROM credit_transactions) AS rows,
       (SELECT count(*) FROM app_users u JOIN credit_transactions t ON t.user_id = u.id
        WHERE u.credits_remaining <> 10 OR t.balance_after <> 10) AS wrong;

-- name: begun$
SELECT begun_at FROM lamplighter.entries WHERE job = 'cleanup';
