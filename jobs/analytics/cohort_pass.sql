-- Placeholders of what counts people and their doings have numbers, since the condition that a
-- cohort's filters mean is put in where {filters} stands, and its values follow:
-- $1 where the periods begin, $2 where they are over, $3 before when people must have come to be in a
-- cohort, $4 the events that are generations, or the currency.

-- fragment: filters
('filters' IS NOT NULL)

-- fragment: signups
source AS (
    SELECT u.id AS user_id, u.created_at AS at
    FROM app_users u
    WHERE {filters}
)

-- fragment: paid
(
    SELECT user_id, amount_cents, lower(coalesce(currency, 'usd')) AS currency,
        coalesce(paid_at, invoice_date) AS at
    FROM invoice_cache
    WHERE status = 'paid'
)

-- fragment: purchases
-- What costs nothing is no purchase: a trial has invoices of 0.
source AS (
    SELECT i.user_id, min(i.at) AS at
    FROM {paid} i
    JOIN app_users u ON u.id = i.user_id
    WHERE i.amount_cents > 0 AND {filters}
    GROUP BY i.user_id
)

-- fragment: subscriptions
-- A trial is no subscription yet.
source AS (
    SELECT h.user_id, min(h.created_at) AS at
    FROM subscription_history h
    JOIN app_users u ON u.id = h.user_id
    WHERE h.action = 'created' AND h.reason IS DISTINCT FROM 'trial' AND {filters}
    GROUP BY h.user_id
)

-- fragment: members
members AS MATERIALIZED (
    SELECT user_id, width_bucket(at, $1 ::timestamptz[]) - 1 AS cohort
    FROM source
    WHERE at >= ($1 ::timestamptz[])[1] AND at < $3 ::timestamptz
), sizes AS (
    SELECT cohort, count(*) AS people FROM members GROUP BY cohort
)

-- fragment: activity
-- Period by period, in the order in which the events came in: each is found by the index on their
-- time, no period has to be worked out for a row, and the people of one period only are held at once.
, periods AS (
    SELECT place ::int - 1 AS place, starts, ends
    FROM unnest($1 ::timestamptz[], $2 ::timestamptz[]) WITH ORDINALITY AS p (starts, ends, place)
)
SELECT cohort, NULL ::int AS period, people, NULL ::bigint AS events, NULL ::bigint AS generations
FROM sizes
UNION ALL
SELECT doings.cohort, p.place, doings.people, doings.events, doings.generations
FROM periods p
CROSS JOIN LATERAL (
    SELECT cohort, count(*) AS people, sum(events) ::bigint AS events,
        sum(generations) ::bigint AS generations
    FROM (
        SELECT m.cohort, m.user_id, count(*) AS events,
            count(*) FILTER (WHERE e.event_type = ANY ($4 ::text[])) AS generations
        FROM {events} e
        JOIN members m ON m.user_id = e.user_id
        WHERE e.at >= p.starts AND e.at < p.ends AND m.cohort <= p.place
        GROUP BY m.cohort, m.user_id
    ) people
    GROUP BY cohort
) doings

-- fragment: revenue
SELECT cohort, NULL ::int AS period, people, NULL ::bigint AS cents
FROM sizes
UNION ALL
SELECT cohort, period, NULL, sum(amount_cents) ::bigint
FROM (
    SELECT m.cohort, width_bucket(i.at, $1 ::timestamptz[]) - 1 AS period, i.amount_cents
    FROM members m
    JOIN {paid} i ON i.user_id = m.user_id
    WHERE i.currency = $4 ::text AND i.at >= ($1 ::timestamptz[])[1]
        AND i.at < ($2 ::timestamptz[])[cardinality($2 ::timestamptz[])]
) payments
WHERE cohort <= period
GROUP BY cohort, period

-- name: signup_activity
WITH {signups}, {members} {activity};

-- name: purchase_activity
WITH {purchases}, {members} {activity};

-- name: subscription_activity
WITH {subscriptions}, {members} {activity};

-- name: signup_revenue
WITH {signups}, {members} {revenue};

-- name: purchase_revenue
WITH {purchases}, {members} {revenue};

-- name: subscription_revenue
WITH {subscriptions}, {members} {revenue};

-- name: people
-- What the filters alone read, for the guard.
SELECT u.id FROM app_users u WHERE {filters};

-- name: kept^
-- Up to where the cleanup has come, and in which of the periods there is any event.
SELECT
    (
        SELECT w.at FROM lamplighter.watermarks w
        WHERE w.job = 'cleanup' AND w.key = 'analytics_events'
    ) AS cleaned,
    ARRAY(
        SELECT EXISTS (SELECT FROM {events} e WHERE e.at >= p.starts AND e.at < p.ends)
        FROM unnest(:starts ::timestamptz[], :ends ::timestamptz[])
            WITH ORDINALITY AS p (starts, ends, place)
        ORDER BY p.place
    ) AS some;

-- name: without_loops!
-- The planner cannot know how many people a filter leaves; where it guesses too few, a loop over them
-- for each event would take hours.
SELECT set_config('enable_nestloop', 'off', true);
