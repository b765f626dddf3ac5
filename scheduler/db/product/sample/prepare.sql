-- The people of the sample data and how they came and went, in temporary tables that the other
-- files draw on. Nothing here asks the clock or the dice: every choice is a hash of a row's number
-- and the seed.

-- name: settle()^
SELECT set_config('timezone', 'UTC', true),
       set_config('search_path', 'public', true),
       set_config('jit', 'off', true),
       set_config('work_mem', '256MB', true),
       set_config('maintenance_work_mem', '256MB', true),
       set_config('synchronous_commit', 'off', true),
       set_config('default_statistics_target', '30', true);

-- name: skip_row_triggers()^
-- Every key is right by construction, and the row triggers would count and stamp again what is laid
-- already counted. Only a superuser may do this; for anybody else the keys are checked, slower.
SELECT set_config('session_replication_role', 'replica', true)
FROM pg_roles WHERE rolname = current_user AND rolsuper;

-- name: put_indexes_aside()#
-- Building an index over rows that are there costs a fraction of feeding it row by row. The two
-- large tables do without their primary keys too, to which nothing refers. Partial indexes stay:
-- they are small, and the text of their condition would not come back the same.
CREATE TEMP TABLE demo_indexes ON COMMIT DROP AS
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition,
    NULL AS owner
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'public'::regnamespace AND NOT indisunique AND indpred IS NULL
UNION ALL
SELECT conname, pg_get_constraintdef(oid), conrelid::regclass::text
FROM pg_constraint
WHERE contype = 'p' AND conrelid IN ('analytics_events'::regclass, 'credit_transactions'::regclass);
DO $$
DECLARE aside record;
BEGIN
    FOR aside IN SELECT * FROM demo_indexes LOOP
        IF aside.owner IS NULL THEN EXECUTE 'DROP INDEX ' || aside.name;
        ELSE EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', aside.owner, aside.name);
        END IF;
    END LOOP;
END $$;

-- name: put_indexes_back()#
DO $$
DECLARE aside record;
BEGIN
    FOR aside IN SELECT * FROM demo_indexes LOOP
        IF aside.owner IS NULL THEN EXECUTE aside.definition;
        ELSE EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s', aside.owner, aside.name, aside.definition);
        END IF;
    END LOOP;
END $$;

-- name: people_exist()$
SELECT EXISTS (SELECT FROM public.app_users);

-- name: has_variant_a()$
SELECT to_regclass('public.analytics_daily') IS NOT NULL;

-- name: functions()#
CREATE FUNCTION pg_temp.chance(n bigint, salt bigint) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashint8extended(n, salt) & 2147483647) / 2147483648::float8
$$;

CREATE FUNCTION pg_temp.made_id(kind text, n bigint, seed bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(
        md5(kind || n::text || '/' || seed::text) PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid
$$;

-- An hour drawn from the rhythm of a working day, and an even spread within it.
CREATE FUNCTION pg_temp.time_of_day(hour float8, within float8) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
    SELECT (within + width_bucket(hour, '{.009,.018,.027,.036,.045,.063,.090,.135,.198,.270,.342,
        .405,.459,.523,.595,.667,.730,.784,.829,.874,.919,.955,.982}'::float8[]))
        * interval '1 hour'
$$;

-- One step of a balance, by the type of the ledger row. A generation that the balance does not
-- cover leaves it as it is; a daily reset and a grant fill it up and never take away.
CREATE FUNCTION pg_temp.next_balance(balance int, opening int, type text, amount int, free int)
RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    balance := coalesce(balance, opening);
    RETURN CASE type
        WHEN 'generation' THEN CASE WHEN balance >= amount THEN balance - amount ELSE balance END
        WHEN 'purchase' THEN balance + amount
        WHEN 'expiration' THEN greatest(free, balance - amount)
        ELSE greatest(balance, amount)
    END;
END $$;
CREATE AGGREGATE pg_temp.running_balance(int, text, int, int)
    (SFUNC = pg_temp.next_balance, STYPE = int);

-- name: drop_functions()#
DROP AGGREGATE pg_temp.running_balance(int, text, int, int);
DROP FUNCTION pg_temp.next_balance, pg_temp.time_of_day, pg_temp.made_id,
    pg_temp.chance;

-- name: settings(now, users, seed, events_per_user)!
-- Each choice adds its own small number to `seed`, so that no two share their chances. `pace` is
-- how often people come, where 1 makes about 30 events for each of them (sign-ups apart).
CREATE TEMP TABLE demo ON COMMIT DROP AS
SELECT :now::timestamptz AS now, :now::timestamptz::date AS today,
       :now::timestamptz::date - 90 AS first_day, :users::bigint AS users,
       :seed::bigint * 1000 AS seed, :events_per_user::float8 / 30 AS pace;

-- name: days()#
ANALYZE demo;
-- The 91 days of events (the last not over yet): more visits each week, fewer at weekends, and
-- something new since yesterday that drew a crowd, so that many credits are spent.
CREATE TEMP TABLE demo_days ON COMMIT DROP AS
SELECT day, first_day + day AS date,
    ('{1.05,1.1,1.1,1.05,0.95,0.5,0.55}'::float8[])
        [extract(isodow FROM first_day + day)::int]
        * pace * (0.4 + day / 75.0) * CASE WHEN day >= 89 THEN 2.5 ELSE 1 END AS pull
FROM demo, generate_series(0, 90) AS day;
ANALYZE demo_days;

-- name: subscription_plans()!
INSERT INTO subscription_plans
    (id, tier, name, price_monthly_cents, price_yearly_cents, credits_per_day,
     created_at, updated_at)
SELECT pg_temp.made_id('plan', n, seed), tier, name, monthly, monthly * 10, credits,
       today - 420, today - 420
FROM demo, (VALUES (1, 'free', 'Free', 0, 10), (2, 'maker', 'Maker', 900, 30),
                   (3, 'pro', 'Pro', 2900, 100), (4, 'unlimited', 'Unlimited', 9900, -1)
           ) AS plan (n, tier, name, monthly, credits);

-- name: allowances()#
CREATE TEMP TABLE demo_allowances ON COMMIT DROP AS
SELECT tier, CASE credits_per_day WHEN -1 THEN 999999 ELSE credits_per_day END AS credits
FROM subscription_plans;

-- name: people()#
-- Sign-ups over 400 days, more of them each day, fewer at weekends; `kind` is how it went since.
-- Step by step, each materialized: merged into one, the steps would repeat each other many times.
CREATE TEMP TABLE demo_people ON COMMIT DROP AS
WITH signed_up AS MATERIALIZED (
    SELECT n, now, seed, CASE
        WHEN drawn >= today THEN today + (now - today) * pg_temp.chance(n, seed + 2)
        ELSE drawn + pg_temp.time_of_day(
            pg_temp.chance(n, seed + 2), pg_temp.chance(n, seed + 3)) + CASE
            WHEN extract(isodow FROM drawn) > 5 AND drawn < now - interval '3 days'
                AND pg_temp.chance(n, seed + 1) < 0.45 THEN interval '2 days'
            ELSE interval '0' END
        END AS created_at
    FROM (
        SELECT n, now, seed, today::timestamptz AS today, (today - 399 + floor(
            (399 + extract(epoch FROM now - today::timestamptz)::float8 / 86400)
            * sqrt((n - 0.5::float8) / users))::int)::timestamptz AS drawn
        FROM demo, generate_series(1, users) AS n OFFSET 0) AS d
), aged AS MATERIALIZED (
    SELECT *, extract(epoch FROM now - created_at)::float8 / 86400 AS age,
        pg_temp.chance(n, seed + 4) AS luck, pg_temp.chance(n, seed + 12) AS taste
    FROM signed_up
), sorted AS MATERIALIZED (
    SELECT *, CASE
        WHEN age < 13.9 THEN CASE
            WHEN luck < 0.12 AND age > 0.01 THEN 'trialing'
            WHEN luck < 0.16 AND age > 1 THEN 'paying' ELSE 'free' END
        WHEN age < 70 THEN CASE WHEN luck < 0.14 THEN 'paying' ELSE 'free' END
        WHEN luck < 0.130 THEN 'paying'
        WHEN luck < 0.150 THEN 'leaving'      -- canceled, and paid through
        WHEN luck < 0.160 THEN 'lapsed'       -- canceled, and the paid time is over
        WHEN luck < 0.172 THEN 'unpaid'       -- the last invoice did not go through
        WHEN luck < 0.195 THEN 'expired'      -- had a plan once
        WHEN luck < 0.199 THEN 'gone_free'    -- on free already, the status left behind
        ELSE 'free' END AS kind
    FROM aged
), ending AS MATERIALIZED (
    SELECT *,
        CASE kind
            WHEN 'trialing' THEN created_at + interval '14 days'
            WHEN 'leaving' THEN now + (1 + 26 * pg_temp.chance(n, seed + 8)) * interval '1 day'
            WHEN 'lapsed' THEN now - (0.01 + 3 * pg_temp.chance(n, seed + 8)) * interval '1 day'
            WHEN 'unpaid' THEN now - (0.5 + 9 * pg_temp.chance(n, seed + 8)) * interval '1 day'
            WHEN 'expired' THEN
                now - (2 + (age - 42) * pg_temp.chance(n, seed + 8)) * interval '1 day'
            WHEN 'gone_free' THEN now - (1 + 20 * pg_temp.chance(n, seed + 8)) * interval '1 day'
            END AS ends_at,
        kind = 'paying' AND pg_temp.chance(n, seed + 9) < 0.2 AS yearly,
        CASE WHEN kind = 'free' AND age > 6 AND pg_temp.chance(n, seed + 10) < 0.006
            THEN now - (0.2 + 5 * pg_temp.chance(n, seed + 11)) * interval '1 day' END AS banned_at,
        CASE WHEN kind IN ('free', 'gone_free') THEN NULL WHEN taste < 0.58 THEN 'maker'
            WHEN taste < 0.9 THEN 'pro' ELSE 'unlimited' END AS plan
    FROM sorted
), subscribed AS MATERIALIZED (
    -- Whoever canceled has paid for whole months before the end.
    SELECT *,
        CASE
            WHEN kind = 'paying' THEN created_at + greatest(interval '20 minutes',
                (now - created_at) * 0.6 * pg_temp.chance(n, seed + 13) ^ 2)
            WHEN kind = 'trialing' THEN created_at + interval '90 seconds'
            WHEN plan IS NOT NULL THEN ends_at - greatest(1, floor(
                extract(epoch FROM ends_at - created_at)::float8 / 86400 / 31
                * (0.3 + 0.7 * pg_temp.chance(n, seed + 13)))) * interval '1 month'
            END AS subscribed_at,
        CASE WHEN kind = 'paying' AND age > 14 AND pg_temp.chance(n, seed + 14) < 0.15
            THEN CASE plan WHEN 'maker' THEN 'pro' WHEN 'pro' THEN 'maker' ELSE 'pro' END
            END AS former
    FROM ending
)
SELECT n, pg_temp.made_id('user', n, seed) AS id, created_at,
    created_at::date - first_day AS joined_on,
    kind, banned_at, coalesce(banned_at::date - first_day, 91) AS banned_on,
    subscribed_at, ends_at, yearly, plan, former,
    CASE WHEN former IS NOT NULL THEN
        subscribed_at + (now - subscribed_at) * (0.2 + 0.7 * pg_temp.chance(n, seed + 15))
        END AS changed_at,
    CASE
        WHEN kind = 'leaving' THEN ends_at - interval '1 month'
            + (now - ends_at + interval '1 month') * pg_temp.chance(n, seed + 16)
        WHEN kind IN ('lapsed', 'expired') THEN
            ends_at - 20 * pg_temp.chance(n, seed + 16) * interval '1 day'
        END AS canceled_at,
    CASE WHEN kind = 'expired' THEN date_trunc('hour', ends_at) + interval '1 hour' END
        AS expired_at,
    -- The allowance a day: on no plan, on the plan, and on the one before that.
    zero.credits AS free_credits, p.credits AS plan_credits,
    coalesce(f.credits, p.credits) AS former_credits,
    -- A long tail: most people come rarely, a few nearly every day.
    (0.02 + 0.28 * pg_temp.chance(n, seed + 5) ^ 3)
        * CASE WHEN plan IS NULL OR kind = 'expired' THEN 1 ELSE 2 END AS habit,
    -- Credits that one generation takes at least: plans are bought for the better model.
    CASE WHEN plan IS NULL THEN 1 ELSE 3 END AS cost,
    ('{US,US,US,US,DE,GB,GB,FR,IN,IN,BR,CA,NL,ES,JP,PL}'::text[])
        [1 + floor(16 * pg_temp.chance(n, seed + 6))::int] AS country,
    CASE WHEN pg_temp.chance(n, seed + 7) < 0.64 THEN 'desktop'
        WHEN pg_temp.chance(n, seed + 7) < 0.95 THEN 'mobile' ELSE 'tablet' END AS device
FROM subscribed
CROSS JOIN (SELECT first_day FROM demo) AS d
CROSS JOIN (SELECT credits_per_day AS credits FROM subscription_plans WHERE tier = 'free') AS zero
LEFT JOIN demo_allowances AS p ON p.tier = plan
LEFT JOIN demo_allowances AS f ON f.tier = former
ORDER BY n;
ANALYZE demo_people;

-- name: visits()#
-- Who comes on which day: everybody on the day of sign-up, then less and less often. `visit` is
-- unique, and is what the chances within it hang on. Visitors without a name are below 0.
CREATE TEMP TABLE demo_visits ON COMMIT DROP AS
WITH drawn AS MATERIALIZED (
    SELECT p.n * 1000 + day AS visit, p.n, day, date, p.created_at, day = joined_on AS joined,
        p.id AS user_id, p.country, p.device, p.cost, 6 AS longest
    FROM demo CROSS JOIN demo_days JOIN demo_people AS p ON day >= joined_on
    WHERE day = joined_on OR (day < banned_on
        AND pg_temp.chance(p.n * 1000 + day, seed + 20)
            < pull * habit * greatest(0.3, exp((joined_on - day) / 45::float8)))
    UNION ALL
    SELECT -(i * 1000 + day), NULL, day, date, NULL, false, NULL,
        CASE WHEN pg_temp.chance(-(i * 1000 + day), seed + 6) < 0.4 THEN 'US' ELSE 'DE' END,
        CASE WHEN pg_temp.chance(-(i * 1000 + day), seed + 7) < 0.5 THEN 'desktop'
            ELSE 'mobile' END, 0, 3
    FROM demo CROSS JOIN demo_days
    CROSS JOIN LATERAL
        generate_series(1, round(users * 0.015 * pull)::bigint) AS i
)
SELECT * FROM (
    SELECT visit, n, user_id, country, device, joined, cost,
        left(md5('visit' || visit || '/' || seed), 20) AS session_id,
        CASE WHEN joined THEN created_at - interval '3 minutes'
            ELSE date::timestamptz + pg_temp.time_of_day(
                pg_temp.chance(visit, seed + 21), pg_temp.chance(visit, seed + 22))
            END AS started_at,
        1 + floor(longest * pg_temp.chance(visit, seed + 23) ^ 2)::int AS pages,
        CASE WHEN n IS NULL THEN 0
            ELSE 1 + floor(6 * pg_temp.chance(visit, seed + 24) ^ 2)::int END AS calls,
        CASE WHEN n IS NULL THEN 0
            ELSE floor(7 * pg_temp.chance(visit, seed + 25) ^ 2)::int END AS spends
    FROM demo, drawn) AS v
WHERE started_at <= (SELECT now FROM demo);
ANALYZE demo_visits;

-- name: gather_statistics()#
-- Named one by one: a plain ANALYZE would read the temporary tables too.
ANALYZE app_users, subscription_plans, credit_transactions, subscription_history, invoice_cache,
    payment_webhooks, analytics_events, analytics_daily, analytics_hourly,
    newsletter_subscribers, email_events, todos;
