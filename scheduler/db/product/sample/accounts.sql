-- What people paid and what they did with their credits: ledger, history, invoices, webhooks, and
-- last the people themselves, whose balance is where their ledger ended.

-- name: ledger()#
-- Every movement of a balance in order, folded into what stood before and after it. A generation
-- that was refused for want of credits stays here with nothing moved: it is an event, not a row.
CREATE TEMP TABLE demo_ledger ON COMMIT DROP AS
WITH spends AS MATERIALIZED (
    SELECT n, visit, k, started_at + (k * 75 + 60 * pg_temp.chance(visit * 8 + k, seed + 30)
            + CASE WHEN joined THEN 200 ELSE 0 END) * interval '1 second' AS at,
        cost * (1 + floor(3 * pg_temp.chance(visit * 8 + k, seed + 31) ^ 2)::int) AS amount
    FROM demo, demo_visits CROSS JOIN LATERAL generate_series(1, spends) AS k
), moves AS (
    SELECT n, at, 'generation' AS type, amount, visit, k FROM spends
    UNION ALL
    -- The night after a day with generations fills the balance up again, as long as one is
    -- entitled. The last night is that of yesterday, so that the next one is still to come.
    SELECT n, at, 'daily_reset', CASE
            WHEN at < p.subscribed_at OR at >= p.expired_at OR plan IS NULL THEN free_credits
            WHEN at < p.changed_at THEN former_credits ELSE plan_credits END, 0, 0
    FROM demo
    CROSS JOIN (SELECT DISTINCT n, at::date + 1 AS date FROM spends) AS nights
    JOIN demo_people AS p USING (n)
    CROSS JOIN LATERAL (SELECT nights.date
        + interval '2 seconds' * (1 + n::float8 / users) AS local_at) AS l
    CROSS JOIN LATERAL (SELECT local_at::timestamptz AS at) AS t
    WHERE nights.date < today
        AND (kind NOT IN ('lapsed', 'gone_free') OR at < ends_at)
        AND (banned_at IS NULL OR at < banned_at)
    UNION ALL
    SELECT n, at, 'subscription_grant', credits, 0, 0
    FROM demo_people CROSS JOIN LATERAL (
        VALUES (subscribed_at, former_credits), (changed_at, plan_credits)) AS g (at, credits)
    UNION ALL
    SELECT n, expired_at, 'expiration', plan_credits, 0, 0 FROM demo_people
    UNION ALL
    SELECT n, p.created_at + (now - p.created_at) * pg_temp.chance(n, seed + 33), 'purchase',
        ('{50,50,100,250}'::int[])[1 + floor(4 * pg_temp.chance(n, seed + 34))::int], 0, 0
    FROM demo, demo_people AS p WHERE pg_temp.chance(n, seed + 32) < 0.03
), folded AS (
    SELECT m.*, opening,
        pg_temp.running_balance(opening, type, amount, free_credits) OVER person AS balance_after
    FROM demo
    CROSS JOIN moves AS m
    JOIN demo_people AS p USING (n)
    -- What one had before the first movement that is told.
    CROSS JOIN LATERAL (SELECT CASE
        WHEN p.subscribed_at IS NULL OR p.subscribed_at >= first_day OR p.expired_at < first_day
            THEN free_credits
        WHEN p.changed_at >= first_day THEN former_credits ELSE plan_credits END AS opening) AS o
    WHERE at >= first_day AND at <= now
    WINDOW person AS (PARTITION BY n ORDER BY at, type ROWS UNBOUNDED PRECEDING)
)
SELECT n, at, type, amount, visit, k, balance_after,
    lag(balance_after, 1, opening) OVER (PARTITION BY n ORDER BY at, type) AS balance_before,
    row_number() OVER (PARTITION BY n ORDER BY at DESC, type DESC) = 1 AS is_last
FROM folded;
ANALYZE demo_ledger;

-- name: app_users()!
INSERT INTO app_users
    (id, email, display_name, subscription_tier, subscription_status, stripe_customer_id,
     subscription_id, subscription_started_at, subscription_ends_at, credits_remaining,
     lifetime_credits_used, credits_reset_at, is_banned, is_admin, last_login_at,
     last_generation_at, total_generations, created_at, updated_at, preferred_locale,
     email_preferences)
WITH spent AS MATERIALIZED (
    SELECT n, sum(balance_before - balance_after) FILTER (WHERE type = 'generation') AS credits,
        count(*) FILTER (WHERE type = 'generation' AND balance_after < balance_before) AS done,
        max(at) FILTER (WHERE type = 'generation' AND balance_after < balance_before) AS last_at,
        max(balance_after) FILTER (WHERE is_last) AS balance
    FROM demo_ledger GROUP BY n
), seen AS MATERIALIZED (
    SELECT n, max(started_at) AS last_at FROM demo_visits WHERE n IS NOT NULL GROUP BY n
)
SELECT p.id, lower(first) || '.' || lower(last) || '.' || p.n || '@example.com',
    first || ' ' || last, CASE WHEN on_plan THEN plan ELSE 'free' END,
    CASE kind WHEN 'trialing' THEN 'trialing' WHEN 'unpaid' THEN 'past_due'
        WHEN 'leaving' THEN 'canceled' WHEN 'lapsed' THEN 'canceled'
        WHEN 'gone_free' THEN 'canceled' ELSE 'active' END,
    CASE WHEN plan IS NOT NULL THEN 'cus_demo_' || p.n END,
    CASE WHEN on_plan THEN 'sub_demo_' || p.n END,
    CASE WHEN on_plan THEN subscribed_at END,
    CASE WHEN kind <> 'expired' THEN ends_at END,
    coalesce(balance, CASE WHEN on_plan THEN plan_credits ELSE free_credits END),
    coalesce(credits, 0) + older, last_night, banned_at IS NOT NULL, p.n <= 3,
    greatest(seen.last_at, p.created_at), spent.last_at,
    coalesce(done, 0) + older, p.created_at,
    greatest(p.created_at, spent.last_at, last_night, subscribed_at, changed_at, canceled_at,
        expired_at, banned_at),
    CASE country WHEN 'DE' THEN 'de' WHEN 'FR' THEN 'fr' WHEN 'ES' THEN 'es' WHEN 'JP' THEN 'ja'
        WHEN 'BR' THEN 'pt' ELSE 'en' END,
    jsonb_build_object('demo_credits', pg_temp.chance(p.n, seed + 44) < 0.8)
FROM demo
CROSS JOIN demo_people AS p
LEFT JOIN spent USING (n)
LEFT JOIN seen USING (n)
CROSS JOIN LATERAL (SELECT
    plan IS NOT NULL AND kind <> 'expired' AS on_plan,
    ('{Ada,Ben,Chloe,Dario,Elif,Finn,Grace,Hugo,Ines,Jonas,Keiko,Liam,Maya,Noor,Oskar,Priya,Quinn,
Rosa,Samir,Tess,Uma,Viktor,Wanda,Yusuf,Zoe}'::text[])
        [1 + floor(25 * pg_temp.chance(p.n, seed + 41))::int] AS first,
    ('{Abel,Brook,Castle,Dune,Elm,Field,Glass,Hill,Isle,Juniper,Knoll,Lake,Marsh,North,Orchard,
Pine,Quarry,Ridge,Stone,Thorn,Vale,Willow,York,Zander}'::text[])
        [1 + floor(24 * pg_temp.chance(p.n, seed + 42))::int] AS last,
    -- What was spent before the ledger that is told begins.
    floor(greatest(0, -joined_on) * habit * pg_temp.chance(p.n, seed + 43))::int AS older,
    CASE
        WHEN kind IN ('lapsed', 'gone_free') THEN least(ends_at::date, today - 1)
            - CASE WHEN ends_at < ends_at::date + interval '5 seconds' THEN 1 ELSE 0 END
        WHEN banned_at IS NOT NULL THEN least(banned_at::date, today - 1)
        ELSE today - 1 END AS last_date) AS a
CROSS JOIN LATERAL (SELECT last_date
    + interval '2 seconds' * (1 + p.n::float8 / users) AS local_night) AS b
CROSS JOIN LATERAL (SELECT CASE WHEN local_night::timestamptz > p.created_at
    THEN local_night::timestamptz END AS last_night) AS c
ORDER BY p.n;

-- name: credit_transactions()!
INSERT INTO credit_transactions
    (id, user_id, type, amount, balance_before, balance_after, reference_type, reference_id,
     reason, metadata, created_at)
SELECT pg_temp.made_id('ledger', row_number() OVER (ORDER BY at, n, type), seed), p.id, type,
    balance_after - balance_before, balance_before, balance_after,
    CASE type WHEN 'generation' THEN 'generation' WHEN 'purchase' THEN 'order' END,
    CASE type WHEN 'generation' THEN pg_temp.made_id('generation', visit * 8 + k, seed)
        WHEN 'purchase' THEN pg_temp.made_id('order', n, seed) END,
    CASE type WHEN 'daily_reset' THEN 'Daily allowance' WHEN 'expiration' THEN 'Plan ended'
        WHEN 'subscription_grant' THEN 'Plan began' WHEN 'purchase' THEN 'Bought credits' END,
    '{}', at
FROM demo
CROSS JOIN demo_ledger AS l
JOIN demo_people AS p USING (n)
WHERE balance_after <> balance_before;

-- name: invoices()#
CREATE TEMP TABLE demo_invoices ON COMMIT DROP AS
SELECT p.n, k, tier, 'in_demo_' || p.n || '_' || k AS invoice_id, seed,
    period_start, subscribed_at + (k + 1) * period AS period_end,
    CASE WHEN p.n % 37 = 0 THEN 'eur' ELSE 'usd' END AS currency, yearly,
    CASE WHEN yearly THEN price_yearly_cents ELSE price_monthly_cents END AS cents,
    NOT (kind = 'unpaid' AND period_start + interval '1 hour' > ends_at) AS paid
FROM demo
CROSS JOIN demo_people AS p
CROSS JOIN LATERAL (SELECT
    CASE WHEN yearly THEN interval '1 year' ELSE interval '1 month' END AS period) AS a
CROSS JOIN LATERAL generate_series(0, 15) AS k
CROSS JOIN LATERAL (SELECT subscribed_at + k * period AS period_start) AS b
CROSS JOIN LATERAL (SELECT CASE WHEN former IS NOT NULL AND period_start < changed_at
    THEN former ELSE plan END AS tier) AS c
JOIN subscription_plans USING (tier)
WHERE kind <> 'trialing' AND period_start < now - interval '5 minutes'
    AND (kind = 'unpaid' OR ends_at IS NULL OR period_start + interval '1 hour' < ends_at);
ANALYZE demo_invoices;

-- name: invoice_cache()!
INSERT INTO invoice_cache
    (id, user_id, stripe_invoice_id, stripe_invoice_number, status, amount_cents, currency,
     description, pdf_url, hosted_invoice_url, period_start, period_end, invoice_date, paid_at,
     created_at)
SELECT pg_temp.made_id('invoice', n * 16 + k, seed), p.id, invoice_id, 'DEMO-' || n || '-' || k,
    CASE WHEN paid THEN 'paid' ELSE 'open' END, cents, currency,
    initcap(tier) || CASE WHEN i.yearly THEN ', 1 year' ELSE ', 1 month' END,
    'https://billing.example.com/' || invoice_id || '.pdf',
    'https://billing.example.com/' || invoice_id, period_start, period_end, period_start,
    CASE WHEN paid THEN period_start + interval '2 minutes' END, period_start
FROM demo_invoices AS i JOIN demo_people AS p USING (n)
ORDER BY period_start, n;

-- name: history()#
CREATE TEMP TABLE demo_history ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY at, n, action) AS number, h.*, d.seed
FROM demo AS d, (
    SELECT n, subscribed_at AS at, 'created' AS action, 'free' AS from_tier,
        coalesce(former, plan) AS to_tier, NULL AS invoice_id,
        CASE kind WHEN 'trialing' THEN 'trial' END AS reason
    FROM demo_people WHERE plan IS NOT NULL
    UNION ALL
    SELECT n, period_start, 'renewed', tier, tier, invoice_id, NULL
    FROM demo_invoices WHERE k > 0 AND paid
    UNION ALL
    SELECT n, changed_at,
        CASE WHEN former_credits < plan_credits THEN 'upgraded' ELSE 'downgraded' END,
        former, plan, NULL, NULL
    FROM demo_people WHERE changed_at IS NOT NULL
    UNION ALL
    SELECT n, canceled_at, 'canceled', plan, plan, NULL, 'customer'
    FROM demo_people WHERE canceled_at IS NOT NULL
    UNION ALL
    SELECT n, expired_at, 'expired', plan, 'free', NULL, 'period_ended'
    FROM demo_people WHERE expired_at IS NOT NULL
) AS h;
ANALYZE demo_history;

-- name: subscription_history()!
INSERT INTO subscription_history
    (id, user_id, action, from_tier, to_tier, stripe_subscription_id, stripe_invoice_id, reason,
     created_at)
SELECT pg_temp.made_id('history', number, seed), p.id, action, from_tier, to_tier,
    'sub_demo_' || n, invoice_id, reason, at
FROM demo_history JOIN demo_people AS p USING (n)
ORDER BY number;

-- name: payment_webhooks()!
-- What Stripe told of it in the last 120 days: nearly all processed at once, the latest few not
-- yet, and some that failed and are tried again.
INSERT INTO payment_webhooks
    (id, provider, event_type, event_id, payload, processed, processed_at, error, retry_count,
     created_at)
SELECT pg_temp.made_id('webhook', number, seed), 'stripe', event_type, 'evt_demo_' || number,
    jsonb_build_object('id', 'evt_demo_' || number, 'type', event_type,
        'data', jsonb_build_object('object', subject)),
    state = 'done', CASE WHEN state = 'done' THEN at + interval '2 seconds' END,
    CASE WHEN state = 'failed' THEN 'customer not found' END,
    CASE WHEN state = 'failed' THEN 3 ELSE 0 END, at
FROM demo CROSS JOIN (
    SELECT row_number() OVER (ORDER BY at, n, event_type) AS number,
        row_number() OVER (ORDER BY at DESC, n, event_type) AS latest, w.*
    FROM demo AS d, (
        SELECT n, period_start + interval '2 minutes' AS at,
            CASE WHEN paid THEN 'invoice.paid' ELSE 'invoice.payment_failed' END AS event_type,
            invoice_id AS subject
        FROM demo_invoices
        UNION ALL
        SELECT n, at, CASE action WHEN 'created' THEN 'customer.subscription.created'
                WHEN 'expired' THEN 'customer.subscription.deleted'
                ELSE 'customer.subscription.updated' END, 'sub_demo_' || n
        FROM demo_history WHERE action <> 'renewed'
    ) AS w
    WHERE at > d.today - 120 AND at <= d.now
) AS w
CROSS JOIN LATERAL (SELECT CASE WHEN latest <= 12 THEN 'waiting'
    WHEN pg_temp.chance(number, seed + 45) < 0.01 THEN 'failed' ELSE 'done' END AS state) AS s
ORDER BY number;
