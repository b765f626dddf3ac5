-- One formula for each column of analytics_daily. A day is `:starts_at` .. `:ends_at`, from midnight
-- to midnight in the job's zone. What does not fit its column is written as the most that does.

-- fragment: confidence
-- What a generation says of its confidence: a number from 0 to 100.
CASE jsonb_typeof(coalesce(e.metadata -> 'confidence', e.properties -> 'confidence'))
    WHEN 'number' THEN CASE
        WHEN coalesce(e.metadata -> 'confidence', e.properties -> 'confidence') ::numeric
            BETWEEN 0 AND 100
        THEN coalesce(e.metadata -> 'confidence', e.properties -> 'confidence') ::numeric
    END
END

-- name: roll_up^
-- What the events and app_users give, in one pass over the day's events; nothing is written where
-- events of the day are gone.
--   new_users             people whose app_users.created_at lies in the day
--   active_users          people with an event: distinct user_id
--   returning_users       active people but for those who signed up that day (or later). NULL in
--                         created_at is its default, now: whoever has no other is never returning.
--   unique_visitors       active people, and sessions of events that belong to nobody
--   page_views, generations, api_errors, new_profiles, new_comments, reports_opened,
--   reports_resolved, users_banned, warnings_issued
--                         events that have one of the names in the parameter of that kind
--   api_requests          events named in request_events or error_events
--   avg_response_time_ms  mean of the events' response_time_ms, rounded; NULL where none has one
--   avg_confidence_score  mean of the generations' confidence; NULL where none has one
--   avg_session_duration_seconds
--                         mean time from the first to the last event of a session, rounded. Events
--                         with one session_id are a session; without one, a person's events are,
--                         until 30 minutes of silence, but for a lone one that is no page view
--                         (a renewal is no visit). A session over midnight is one in each day.
--   bounce_rate           of 100 sessions, those with exactly one page view
--   top_events, top_pages the 10 most frequent, [{"event" | "page": name, "count": n}], ties in the
--                         order of their names; pages are the page_url of page views
WITH events AS MATERIALIZED (
    SELECT e.event_type, e.user_id, e.session_id, e.at, e.page_url,
        e.event_type = ANY (:page_view_events ::text[]) AS is_page_view,
        {response_ms} AS response_ms,
        CASE WHEN e.event_type = ANY (:generation_events ::text[]) THEN {confidence} END
            AS confidence
    FROM {events} e
    WHERE e.at >= :starts_at AND e.at < :ends_at
), types AS MATERIALIZED (
    SELECT event_type ::text AS name, count(*) AS events,
        sum(response_ms) AS response_ms, count(response_ms) AS responses,
        sum(confidence) AS confidence, count(confidence) AS confidences
    FROM events
    GROUP BY 1
), totals AS (
    SELECT coalesce(sum(events), 0) ::bigint AS events,
        sum(events) FILTER (WHERE name = ANY (:page_view_events)) AS page_views,
        sum(events) FILTER (WHERE name = ANY (:generation_events)) AS generations,
        sum(events) FILTER (
            WHERE name = ANY (:request_events ::text[]) OR name = ANY (:error_events ::text[])
        ) AS requests,
        sum(events) FILTER (WHERE name = ANY (:error_events)) AS errors,
        sum(events) FILTER (WHERE name = ANY (:profile_events ::text[])) AS profiles,
        sum(events) FILTER (WHERE name = ANY (:comment_events ::text[])) AS comments,
        sum(events) FILTER (WHERE name = ANY (:report_opened_events ::text[])) AS opened,
        sum(events) FILTER (WHERE name = ANY (:report_resolved_events ::text[])) AS resolved,
        sum(events) FILTER (WHERE name = ANY (:ban_events ::text[])) AS banned,
        sum(events) FILTER (WHERE name = ANY (:warning_events ::text[])) AS warnings,
        sum(response_ms) / nullif(sum(responses), 0) AS response_ms,
        sum(confidence) / nullif(sum(confidences), 0) AS confidence
    FROM types
), top_events AS (
    SELECT jsonb_agg(jsonb_build_object('event', name, 'count', events)
        ORDER BY events DESC, name COLLATE "C") AS top
    FROM (
        SELECT name, events FROM types ORDER BY events DESC, name COLLATE "C" LIMIT 10
    ) types
), top_pages AS (
    SELECT jsonb_agg(jsonb_build_object('page', left(page_url, 2000), 'count', views)
        ORDER BY views DESC, page_url COLLATE "C") AS top
    FROM (
        SELECT page_url, count(*) AS views
        FROM events
        WHERE is_page_view AND page_url IS NOT NULL
        GROUP BY 1
        ORDER BY views DESC, page_url COLLATE "C"
        LIMIT 10
    ) pages
), active AS MATERIALIZED (
    SELECT user_id FROM events WHERE user_id IS NOT NULL GROUP BY 1
), people AS (
    SELECT count(*) AS active,
        count(*) - (
            SELECT count(*) FROM app_users u
            WHERE u.created_at >= :starts_at AND u.id IN (SELECT user_id FROM active)
        ) - (
            -- On its own: with an OR above, the plan for any day takes twice as long.
            SELECT count(*) FROM app_users u
            WHERE u.created_at IS NULL AND u.id IN (SELECT user_id FROM active)
        ) AS came_back
    FROM active
), strangers AS (
    SELECT count(*) AS visitors
    FROM (
        SELECT FROM events
        WHERE user_id IS NULL AND session_id IS NOT NULL
        GROUP BY session_id COLLATE "C"
    ) sessions
), without_session AS (
    SELECT user_id, at, is_page_view, count(*) FILTER (WHERE begins) OVER by_time AS number
    FROM (
        SELECT user_id, at, is_page_view,
            at - lag(at) OVER by_time < interval '30 minutes' IS NOT TRUE AS begins
        FROM events
        WHERE session_id IS NULL AND user_id IS NOT NULL
        WINDOW by_time AS (PARTITION BY user_id ORDER BY at)
    ) steps
    WINDOW by_time AS (PARTITION BY user_id ORDER BY at)
), sessions AS (
    SELECT extract(epoch FROM avg(last_at - first_at)) AS seconds,
        100.0 * count(*) FILTER (WHERE page_views = 1) / nullif(count(*), 0) AS bounce_rate
    FROM (
        SELECT min(at) AS first_at, max(at) AS last_at,
            count(*) FILTER (WHERE is_page_view) AS page_views
        FROM events
        WHERE session_id IS NOT NULL
        GROUP BY session_id COLLATE "C"
        UNION ALL
        SELECT min(at), max(at), count(*) FILTER (WHERE is_page_view)
        FROM without_session
        GROUP BY user_id, number
        HAVING count(*) > 1 OR bool_or(is_page_view)
    ) sessions
), joined AS (
    SELECT count(*) AS people
    FROM app_users u
    WHERE u.created_at >= :starts_at AND u.created_at < :ends_at
), judged AS MATERIALIZED (
    SELECT period.*, {whole} AS whole
    FROM (
        SELECT t.*, :starts_at ::timestamptz AS starts_at, :ends_at ::timestamptz AS ends_at,
            r.events AS known,
            EXISTS (SELECT FROM analytics_daily d WHERE d.date = :date) AS stored
        FROM totals t
        LEFT JOIN lamplighter.rollups r ON r.rollup = 'daily' AND r.starts_at = :starts_at
    ) period
), remembered AS (
    INSERT INTO lamplighter.rollups (rollup, starts_at, ends_at, events, written_at)
    SELECT 'daily', starts_at, ends_at, events, :now
    FROM judged
    WHERE whole
    ON CONFLICT (rollup, starts_at) DO UPDATE
    SET ends_at = excluded.ends_at, events = excluded.events, written_at = excluded.written_at
), written AS (
    INSERT INTO analytics_daily AS d
        (date, computed_at, new_users, active_users, returning_users, unique_visitors, page_views,
         generations, api_requests, api_errors, new_profiles, new_comments, reports_opened,
         reports_resolved, users_banned, warnings_issued, avg_response_time_ms,
         avg_confidence_score, avg_session_duration_seconds, bounce_rate, top_events, top_pages)
    SELECT :date, :now, least(joined.people, 2147483647), least(people.active, 2147483647),
        least(people.came_back, 2147483647),
        least(people.active + strangers.visitors, 2147483647),
        least(coalesce(page_views, 0), 2147483647), least(coalesce(generations, 0), 2147483647),
        least(coalesce(requests, 0), 2147483647), least(coalesce(errors, 0), 2147483647),
        least(coalesce(profiles, 0), 2147483647), least(coalesce(comments, 0), 2147483647),
        least(coalesce(opened, 0), 2147483647), least(coalesce(resolved, 0), 2147483647),
        least(coalesce(banned, 0), 2147483647), least(coalesce(warnings, 0), 2147483647),
        round(response_ms), confidence, round(sessions.seconds), sessions.bounce_rate,
        coalesce(top_events.top, '[]'), coalesce(top_pages.top, '[]')
    FROM judged, joined, people, strangers, sessions, top_events, top_pages
    WHERE judged.whole
    ON CONFLICT (date) DO UPDATE
    SET computed_at = excluded.computed_at, new_users = excluded.new_users,
        active_users = excluded.active_users, returning_users = excluded.returning_users,
        unique_visitors = excluded.unique_visitors, page_views = excluded.page_views,
        generations = excluded.generations, api_requests = excluded.api_requests,
        api_errors = excluded.api_errors, new_profiles = excluded.new_profiles,
        new_comments = excluded.new_comments, reports_opened = excluded.reports_opened,
        reports_resolved = excluded.reports_resolved, users_banned = excluded.users_banned,
        warnings_issued = excluded.warnings_issued,
        avg_response_time_ms = excluded.avg_response_time_ms,
        avg_confidence_score = excluded.avg_confidence_score,
        avg_session_duration_seconds = excluded.avg_session_duration_seconds,
        bounce_rate = excluded.bounce_rate, top_events = excluded.top_events,
        -- Where the events carry no page, nothing feeds this.
        top_pages = CASE WHEN :has_pages ::boolean THEN excluded.top_pages ELSE d.top_pages END
)
-- What a stored day says of recurring revenue stays, whoever wrote it: that is a snapshot.
SELECT whole, known IS NULL AND NOT stored AS is_first FROM judged;

-- fragment: day
-- The days that are rolled up together, numbered as width_bucket numbers them.
unnest(:dates ::date[]) WITH ORDINALITY AS day (date, n)

-- name: add_credits!
--   credits_used          what the ledger's rows of type generation took
UPDATE analytics_daily d
SET credits_used = least(coalesce(spent.credits, 0), 2147483647)
FROM {day}
LEFT JOIN (
    SELECT width_bucket(t.created_at, :starts ::timestamptz[]) AS n, -sum(t.amount) AS credits
    FROM credit_transactions t
    WHERE t.created_at >= :first AND t.created_at < :before AND t.type = 'generation'
        AND t.amount < 0
    GROUP BY 1
) spent USING (n)
WHERE d.date = day.date AND d.date = ANY (:written ::date[]);

-- name: add_subscriptions!
--   new_subscriptions     rows `created` of subscription_history, but for trials
--   churned_subscriptions rows `canceled`, and `expired` of people who had not canceled
--   upgrades, downgrades  rows `upgraded`, `downgraded`
--   conversion_rate       new subscriptions for 100 new users, 999.99 at most; NULL without any
UPDATE analytics_daily d
SET new_subscriptions = least(coalesce(h.created, 0), 2147483647),
    churned_subscriptions = least(coalesce(h.churned, 0), 2147483647),
    upgrades = least(coalesce(h.upgrades, 0), 2147483647),
    downgrades = least(coalesce(h.downgrades, 0), 2147483647),
    conversion_rate = CASE WHEN d.new_users > 0
        THEN least(999.99, 100.0 * coalesce(h.created, 0) / d.new_users) END
FROM {day}
LEFT JOIN (
    SELECT width_bucket(h.created_at, :starts ::timestamptz[]) AS n,
        count(*) FILTER (WHERE h.action = 'created' AND h.reason IS DISTINCT FROM 'trial')
            AS created,
        count(*) FILTER (WHERE h.action = 'canceled' OR (h.action = 'expired' AND NOT EXISTS (
            -- A cancellation after which nothing began again.
            SELECT FROM subscription_history c
            WHERE c.user_id = h.user_id AND c.action = 'canceled' AND c.created_at <= h.created_at
                AND NOT EXISTS (
                    SELECT FROM subscription_history b
                    WHERE b.user_id = h.user_id AND b.action IN ('created', 'reactivated')
                        AND b.created_at > c.created_at AND b.created_at <= h.created_at
                )
        ))) AS churned,
        count(*) FILTER (WHERE h.action = 'upgraded') AS upgrades,
        count(*) FILTER (WHERE h.action = 'downgraded') AS downgrades
    FROM subscription_history h
    WHERE h.created_at >= :first AND h.created_at < :before
    GROUP BY 1
) h USING (n)
WHERE d.date = day.date AND d.date = ANY (:written ::date[]);

-- fragment: paid_at
-- When an invoice was paid, as far as the product knows.
coalesce(i.paid_at, i.invoice_date)

-- fragment: paid
i.status = 'paid'
    AND (
        (i.paid_at >= :first AND i.paid_at < :before)
        OR (i.paid_at IS NULL AND i.invoice_date >= :first AND i.invoice_date < :before)
    )

-- fragment: currency
lower(coalesce(i.currency, 'usd'))

-- name: add_revenue!
--   revenue_cents         amounts of the invoices paid in the day, in the one currency
--   revenue_by_tier       the same as {"tier": cents}: the tier that the history row of the invoice
--                         gave the person, else the latest one up to an hour after it was paid (the
--                         history follows the payment), else the one that the person has
WITH paid AS (
    SELECT width_bucket({paid_at}, :starts ::timestamptz[]) AS n, i.amount_cents AS cents,
        coalesce(h.to_tier, u.subscription_tier, 'free') AS tier
    FROM invoice_cache i
    JOIN app_users u ON u.id = i.user_id
    LEFT JOIN LATERAL (
        SELECT h.to_tier
        FROM subscription_history h
        WHERE h.user_id = i.user_id AND h.to_tier IS NOT NULL
            AND (
                h.stripe_invoice_id = i.stripe_invoice_id
                OR h.created_at <= {paid_at} + interval '1 hour'
            )
        ORDER BY h.stripe_invoice_id IS NOT DISTINCT FROM i.stripe_invoice_id DESC,
            h.created_at DESC, h.id DESC
        LIMIT 1
    ) h ON true
    WHERE {paid} AND {currency} = :currency ::text
), days AS (
    SELECT n, sum(cents) AS cents, jsonb_object_agg(tier, cents) AS by_tier
    FROM (SELECT n, tier, sum(cents) AS cents FROM paid GROUP BY 1, 2) tiers
    GROUP BY 1
)
UPDATE analytics_daily d
SET revenue_cents = greatest(least(coalesce(days.cents, 0), 2147483647), -2147483648),
    revenue_by_tier = coalesce(days.by_tier, jsonb_build_object())
FROM {day}
LEFT JOIN days USING (n)
WHERE d.date = day.date AND d.date = ANY (:written ::date[]);

-- name: other_currencies
-- Paid invoices that are left out of the revenue.
SELECT {currency} AS currency, count(*) AS invoices, sum(i.amount_cents) ::bigint AS cents
FROM {day}
JOIN invoice_cache i ON width_bucket({paid_at}, :starts ::timestamptz[]) = day.n
WHERE {paid} AND {currency} <> :currency ::text AND day.date = ANY (:written ::date[])
GROUP BY 1
ORDER BY 1;

-- name: add_mrr!
--   mrr_cents             of everybody who had paid for a time that goes on past the day's end: the
--                         latest such invoice, in the one currency; one for 300 days or more is
--                         yearly and counts a twelfth. Written once, with the day's first row.
UPDATE analytics_daily d
SET mrr_cents = greatest(least(coalesce(payers.cents, 0), 2147483647), -2147483648)
FROM unnest(:first_dates ::date[]) AS day (date)
LEFT JOIN (
    -- Twelfths are added up and divided once, so that nothing is lost on the way.
    SELECT date, round(sum(CASE WHEN yearly THEN cents ELSE cents * 12 ::bigint END) / 12.0) AS cents
    FROM (
        SELECT DISTINCT ON (days.date, i.user_id)
            days.date, i.amount_cents AS cents,
            -- An addition: before PostgreSQL 17 nothing may be subtracted from an endless time.
            i.period_end >= i.period_start + interval '7200 hours' AS yearly
        FROM unnest(:first_dates ::date[], :first_ends ::timestamptz[]) AS days (date, ends_at)
        JOIN invoice_cache i ON i.period_start < days.ends_at AND i.period_end > days.ends_at
            AND {paid_at} < days.ends_at
        WHERE i.status = 'paid' AND {currency} = :currency ::text
        ORDER BY days.date, i.user_id, {paid_at} DESC, i.invoice_date DESC, i.id DESC
    ) latest
    GROUP BY 1
) payers USING (date)
WHERE d.date = day.date;

-- name: add_newsletter!
--   newsletter_signups, newsletter_unsubscribes
--                         subscribers whose subscribed_at, unsubscribed_at lies in the day
UPDATE analytics_daily d
SET newsletter_signups = least(coalesce(readers.came, 0), 2147483647),
    newsletter_unsubscribes = least(coalesce(readers.went, 0), 2147483647)
FROM {day}
LEFT JOIN (
    SELECT n, count(*) FILTER (WHERE came) AS came, count(*) FILTER (WHERE NOT came) AS went
    FROM (
        SELECT width_bucket(s.subscribed_at, :starts ::timestamptz[]) AS n, true AS came
        FROM newsletter_subscribers s
        WHERE s.subscribed_at >= :first AND s.subscribed_at < :before
        UNION ALL
        SELECT width_bucket(s.unsubscribed_at, :starts ::timestamptz[]), false
        FROM newsletter_subscribers s
        WHERE s.unsubscribed_at >= :first AND s.unsubscribed_at < :before
    ) moves
    GROUP BY 1
) readers USING (n)
WHERE d.date = day.date AND d.date = ANY (:written ::date[]);

-- name: add_email!
--   email_sent, email_opened, email_clicked
--                         email_events of that type
UPDATE analytics_daily d
SET email_sent = least(coalesce(mail.sent, 0), 2147483647),
    email_opened = least(coalesce(mail.opened, 0), 2147483647),
    email_clicked = least(coalesce(mail.clicked, 0), 2147483647)
FROM {day}
LEFT JOIN (
    SELECT width_bucket(m.occurred_at, :starts ::timestamptz[]) AS n,
        count(*) FILTER (WHERE m.event_type = 'sent') AS sent,
        count(*) FILTER (WHERE m.event_type = 'opened') AS opened,
        count(*) FILTER (WHERE m.event_type = 'clicked') AS clicked
    FROM email_events m
    WHERE m.occurred_at >= :first AND m.occurred_at < :before
    GROUP BY 1
) mail USING (n)
WHERE d.date = day.date AND d.date = ANY (:written ::date[]);
