-- fragment: number
-- What an event says of its response time, as the jobs read it.
CASE jsonb_typeof(coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms'))
    WHEN 'number' THEN CASE
        WHEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
            BETWEEN 0 AND 86400000
        THEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
    END
END

-- name: daily!
-- All days before :until in one statement, with the names as constants: the best that somebody
-- writes who rolls up once. Day by day is faster than all days grouped: what is sorted and hashed
-- for one day stays in the processor's cache.
INSERT INTO analytics_daily
    (date, computed_at, new_users, active_users, returning_users, unique_visitors, page_views,
     generations, api_requests, api_errors, new_profiles, new_comments, reports_opened,
     reports_resolved, users_banned, warnings_issued, avg_response_time_ms, avg_confidence_score,
     avg_session_duration_seconds, bounce_rate, top_events, top_pages)
SELECT (day.starts_at AT TIME ZONE 'UTC') ::date, :until, rolled.*
FROM (
    SELECT :until ::timestamptz - n * interval '24 hours' AS starts_at,
        :until ::timestamptz - (n - 1) * interval '24 hours' AS ends_at
    FROM generate_series(1, :days ::int) n
) day
CROSS JOIN LATERAL (
    WITH events AS MATERIALIZED (
        SELECT event_type, user_id, session_id, "timestamp" AS at, page_url,
            event_type = 'page_view' AS is_page_view, {number} AS response_ms,
            CASE WHEN event_type = 'generation_completed'
                    AND jsonb_typeof(coalesce(e.metadata -> 'confidence',
                        e.properties -> 'confidence')) = 'number'
                THEN coalesce(e.metadata -> 'confidence', e.properties -> 'confidence') ::numeric
            END AS confidence
        FROM analytics_events e
        WHERE "timestamp" >= day.starts_at AND "timestamp" < day.ends_at
    ), types AS MATERIALIZED (
        SELECT event_type ::text AS name, count(*) AS events,
            sum(response_ms) AS response_ms, count(response_ms) AS responses,
            sum(confidence) AS confidence, count(confidence) AS confidences
        FROM events GROUP BY 1
    ), active AS MATERIALIZED (
        SELECT user_id FROM events WHERE user_id IS NOT NULL GROUP BY 1
    ), people AS (
        SELECT count(*) AS active, count(*) - (
            SELECT count(*) FROM app_users u
            WHERE u.created_at >= day.starts_at AND u.id IN (SELECT user_id FROM active)
        ) AS came_back
        FROM active
    ), without_session AS (
        SELECT user_id, at, is_page_view, count(*) FILTER (WHERE begins) OVER by_time AS number
        FROM (
            SELECT user_id, at, is_page_view,
                at - lag(at) OVER by_time < interval '30 minutes' IS NOT TRUE AS begins
            FROM events WHERE session_id IS NULL AND user_id IS NOT NULL
            WINDOW by_time AS (PARTITION BY user_id ORDER BY at)
        ) steps
        WINDOW by_time AS (PARTITION BY user_id ORDER BY at)
    ), sessions AS (
        SELECT extract(epoch FROM avg(last_at - first_at)) AS seconds,
            100.0 * count(*) FILTER (WHERE page_views = 1) / nullif(count(*), 0) AS bounce_rate
        FROM (
            SELECT min(at) AS first_at, max(at) AS last_at,
                count(*) FILTER (WHERE is_page_view) AS page_views
            FROM events WHERE session_id IS NOT NULL GROUP BY session_id COLLATE "C"
            UNION ALL
            SELECT min(at), max(at), count(*) FILTER (WHERE is_page_view)
            FROM without_session GROUP BY user_id, number
            HAVING count(*) > 1 OR bool_or(is_page_view)
        ) s
    )
    SELECT
        (SELECT count(*) FROM app_users u
            WHERE u.created_at >= day.starts_at AND u.created_at < day.ends_at),
        people.active, people.came_back,
        people.active + (SELECT count(*) FROM (
            SELECT FROM events WHERE user_id IS NULL AND session_id IS NOT NULL
            GROUP BY session_id COLLATE "C") s),
        coalesce(sum(events) FILTER (WHERE name = 'page_view'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'generation_completed'), 0),
        coalesce(sum(events) FILTER (WHERE name IN ('api_request', 'api_error')), 0),
        coalesce(sum(events) FILTER (WHERE name = 'api_error'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'profile_created'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'comment_created'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'report_created'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'report_resolved'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'user_banned'), 0),
        coalesce(sum(events) FILTER (WHERE name = 'warning_issued'), 0),
        round(sum(response_ms) / nullif(sum(responses), 0)),
        sum(confidence) / nullif(sum(confidences), 0),
        round(sessions.seconds), sessions.bounce_rate,
        (SELECT jsonb_agg(jsonb_build_object('event', name, 'count', events)
                ORDER BY events DESC, name COLLATE "C")
            FROM (SELECT name, events FROM types ORDER BY events DESC, name COLLATE "C" LIMIT 10) t),
        (SELECT jsonb_agg(jsonb_build_object('page', page_url, 'count', views)
                ORDER BY views DESC, page_url COLLATE "C")
            FROM (SELECT page_url, count(*) AS views FROM events
                WHERE is_page_view AND page_url IS NOT NULL
                GROUP BY 1 ORDER BY views DESC, page_url COLLATE "C" LIMIT 10) p)
    FROM types, people, sessions
    GROUP BY people.active, people.came_back, sessions.seconds, sessions.bounce_rate
) rolled;

-- name: hourly!
-- The one hour before :until.
INSERT INTO analytics_hourly
    (hour, active_users, page_views, api_requests, generations, signups, api_errors, credits_used,
     avg_response_time_ms, computed_at)
SELECT :until ::timestamptz - interval '1 hour', count(user_id), sum(page_views), sum(requests),
    sum(generations),
    (SELECT count(*) FROM app_users u
        WHERE u.created_at >= :until ::timestamptz - interval '1 hour' AND u.created_at < :until),
    sum(errors),
    (SELECT coalesce(-sum(amount), 0) FROM credit_transactions
        WHERE type = 'generation' AND amount < 0
            AND created_at >= :until ::timestamptz - interval '1 hour' AND created_at < :until),
    round(sum(response_ms) / nullif(sum(responses), 0)), :until
FROM (
    SELECT user_id, count(*) FILTER (WHERE event_type = 'page_view') AS page_views,
        count(*) FILTER (WHERE event_type IN ('api_request', 'api_error')) AS requests,
        count(*) FILTER (WHERE event_type = 'generation_completed') AS generations,
        count(*) FILTER (WHERE event_type = 'api_error') AS errors,
        sum({number}) AS response_ms, count({number}) AS responses
    FROM analytics_events e
    WHERE "timestamp" >= :until ::timestamptz - interval '1 hour' AND "timestamp" < :until
    GROUP BY 1
) people;

-- name: daily_sum^
-- How many rows there are, and a checksum of what their events give.
SELECT count(*) AS rows, md5(string_agg(
    (to_jsonb(d) - 'computed_at' - 'conversion_rate') ::text, '' ORDER BY date)) AS sum
FROM analytics_daily d;

-- name: hourly_sum^
SELECT count(*) AS rows, md5(string_agg(
    (to_jsonb(h) - 'computed_at' - 'id') ::text, '' ORDER BY hour)) AS sum
FROM analytics_hourly h;

-- name: forget#
TRUNCATE analytics_daily, analytics_hourly;
DO $$
BEGIN
    IF to_regclass('lamplighter.rollups') IS NOT NULL THEN
        TRUNCATE lamplighter.rollups, lamplighter.watermarks;
    END IF;
END $$;

-- name: only_one_hour_left!
INSERT INTO lamplighter.watermarks (job, at)
VALUES ('aggregate-hourly', :until ::timestamptz - interval '1 hour');

-- name: seconds$
SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM lamplighter.runs ORDER BY seq DESC LIMIT 1;
