-- name: roll_up
-- Of the hours `:hours`, all in `:first` .. `:before`, writes those whose events are all there.
--   active_users          people with an event: distinct user_id
--   page_views            events named in page_view_events
--   api_requests          events named in request_events or error_events
--   generations           events named in generation_events
--   signups               people whose app_users.created_at lies in the hour
--   api_errors            events named in error_events
--   avg_response_time_ms  mean of the events' response_time_ms, rounded; NULL where none has one
WITH people AS (
    SELECT date_bin('1 hour', e.at, 'epoch' ::timestamptz) AS hour, e.user_id, count(*) AS events,
        count(*) FILTER (WHERE e.event_type = ANY (:page_view_events ::text[])) AS page_views,
        count(*) FILTER (WHERE e.event_type = ANY (:request_events ::text[])
            OR e.event_type = ANY (:error_events ::text[])) AS requests,
        count(*) FILTER (WHERE e.event_type = ANY (:generation_events ::text[])) AS generations,
        count(*) FILTER (WHERE e.event_type = ANY (:error_events ::text[])) AS errors,
        sum({response_ms}) AS response_ms, count({response_ms}) AS responses
    FROM {events} e
    WHERE e.at >= :first AND e.at < :before
    GROUP BY 1, 2
), counts AS (
    SELECT hour, count(user_id) AS active_users, sum(events) AS events,
        sum(page_views) AS page_views, sum(requests) AS requests, sum(generations) AS generations,
        sum(errors) AS errors, sum(response_ms) / nullif(sum(responses), 0) AS response_ms
    FROM people
    GROUP BY 1
), joined AS (
    SELECT date_bin('1 hour', u.created_at, 'epoch' ::timestamptz) AS hour, count(*) AS signups
    FROM app_users u
    WHERE u.created_at >= :first AND u.created_at < :before
    GROUP BY 1
), periods AS MATERIALIZED (
    SELECT hour AS starts_at, hour + interval '1 hour' AS ends_at, coalesce(c.events, 0) ::bigint AS events, r.events AS known,
        EXISTS (SELECT FROM analytics_hourly h WHERE h.hour = wanted.hour) AS stored,
        c.active_users, c.page_views, c.requests, c.generations, j.signups, c.errors, c.response_ms
    FROM unnest(:hours ::timestamptz[]) AS wanted (hour)
    LEFT JOIN counts c USING (hour)
    LEFT JOIN joined j USING (hour)
    LEFT JOIN lamplighter.rollups r ON r.rollup = 'hourly' AND r.starts_at = hour
), judged AS MATERIALIZED (
    SELECT period.*, {whole} AS whole FROM periods period
), remembered AS (
    INSERT INTO lamplighter.rollups (rollup, starts_at, ends_at, events, written_at)
    SELECT 'hourly', starts_at, ends_at, events, :now
    FROM judged
    WHERE whole
    ON CONFLICT (rollup, starts_at) DO UPDATE
    SET ends_at = excluded.ends_at, events = excluded.events, written_at = excluded.written_at
), written AS (
    INSERT INTO analytics_hourly
        (id, hour, active_users, page_views, api_requests, generations, signups, api_errors,
         avg_response_time_ms, computed_at)
    SELECT gen_random_uuid(), starts_at, least(coalesce(active_users, 0), 2147483647),
        least(coalesce(page_views, 0), 2147483647), least(coalesce(requests, 0), 2147483647),
        least(coalesce(generations, 0), 2147483647), least(coalesce(signups, 0), 2147483647),
        least(coalesce(errors, 0), 2147483647), round(response_ms), :now
    FROM judged
    WHERE whole
    ON CONFLICT (hour) DO UPDATE
    SET active_users = excluded.active_users, page_views = excluded.page_views,
        api_requests = excluded.api_requests, generations = excluded.generations,
        signups = excluded.signups, api_errors = excluded.api_errors,
        avg_response_time_ms = excluded.avg_response_time_ms, computed_at = excluded.computed_at
)
SELECT starts_at AS hour, whole FROM judged ORDER BY starts_at;

-- name: add_credits!
--   credits_used          what the ledger's rows of type generation took
UPDATE analytics_hourly h
SET credits_used = least(coalesce(spent.credits, 0), 2147483647)
FROM unnest(:hours ::timestamptz[]) AS written (hour)
LEFT JOIN (
    SELECT date_bin('1 hour', t.created_at, 'epoch' ::timestamptz) AS hour,
        -sum(t.amount) AS credits
    FROM credit_transactions t
    WHERE t.created_at >= :first AND t.created_at < :before AND t.type = 'generation'
        AND t.amount < 0
    GROUP BY 1
) spent USING (hour)
WHERE h.hour = written.hour;
