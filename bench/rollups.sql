-- fragment: response_ms
CASE jsonb_typeof(coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms'))
    WHEN 'number' THEN CASE
        WHEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
            BETWEEN 0 AND 86400000
        THEN coalesce(e.metadata -> 'response_time_ms', e.properties -> 'response_time_ms') ::numeric
    END
END

-- fragment: confidence
CASE jsonb_typeof(coalesce(e.metadata -> 'confidence', e.properties -> 'confidence'))
    WHEN 'number' THEN CASE
        WHEN coalesce(e.metadata -> 'confidence', e.properties -> 'confidence') ::numeric
            BETWEEN 0 AND 100
        THEN coalesce(e.metadata -> 'confidence', e.properties -> 'confidence') ::numeric
    END
END

-- name: daily!
-- All days in one statement, with the names as constants: what somebody would write who rolls up
-- once. Every event belongs to a session here, so that silence need not be measured.
INSERT INTO analytics_daily
    (date, computed_at, new_users, active_users, returning_users, unique_visitors, page_views,
     generations, api_requests, api_errors, new_profiles, new_comments, reports_opened,
     reports_resolved, users_banned, warnings_issued, avg_response_time_ms, avg_confidence_score,
     avg_session_duration_seconds, bounce_rate, top_events, top_pages)
WITH types AS MATERIALIZED (
    SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS date, event_type AS name, count(*) AS events,
        sum({response_ms}) AS response_ms, count({response_ms}) AS responses,
        sum({confidence}) FILTER (WHERE event_type = 'generation_completed') AS confidence,
        count({confidence}) FILTER (WHERE event_type = 'generation_completed') AS confidences
    FROM analytics_events e GROUP BY 1, 2
), totals AS (
    SELECT date,
        sum(events) FILTER (WHERE name = 'page_view') AS page_views,
        sum(events) FILTER (WHERE name = 'generation_completed') AS generations,
        sum(events) FILTER (WHERE name IN ('api_request', 'api_error')) AS requests,
        sum(events) FILTER (WHERE name = 'api_error') AS errors,
        sum(events) FILTER (WHERE name = 'profile_created') AS profiles,
        sum(events) FILTER (WHERE name = 'comment_created') AS comments,
        sum(events) FILTER (WHERE name = 'report_created') AS opened,
        sum(events) FILTER (WHERE name = 'report_resolved') AS resolved,
        sum(events) FILTER (WHERE name = 'user_banned') AS banned,
        sum(events) FILTER (WHERE name = 'warning_issued') AS warnings,
        sum(response_ms) / nullif(sum(responses), 0) AS response_ms,
        sum(confidence) / nullif(sum(confidences), 0) AS confidence
    FROM types GROUP BY 1
), top_events AS (
    SELECT date, jsonb_agg(jsonb_build_object('event', name, 'count', events)
        ORDER BY events DESC, name COLLATE "C") AS top
    FROM (
        SELECT date, name, events, row_number() OVER (
            PARTITION BY date ORDER BY events DESC, name COLLATE "C") AS place
        FROM types
    ) t WHERE place <= 10 GROUP BY 1
), top_pages AS (
    SELECT date, jsonb_agg(jsonb_build_object('page', page_url, 'count', views)
        ORDER BY views DESC, page_url COLLATE "C") AS top
    FROM (
        SELECT date, page_url, views, row_number() OVER (
            PARTITION BY date ORDER BY views DESC, page_url COLLATE "C") AS place
        FROM (
            SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS date, page_url, count(*) AS views
            FROM analytics_events WHERE event_type = 'page_view' AND page_url IS NOT NULL
            GROUP BY 1, 2
        ) p
    ) t WHERE place <= 10 GROUP BY 1
), people AS (
    SELECT date, count(*) AS active,
        count(*) FILTER (WHERE (u.created_at AT TIME ZONE 'UTC')::date < date) AS came_back
    FROM (
        SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS date, user_id
        FROM analytics_events WHERE user_id IS NOT NULL GROUP BY 1, 2
    ) active
    LEFT JOIN app_users u ON u.id = user_id GROUP BY 1
), strangers AS (
    SELECT date, count(*) AS visitors
    FROM (
        SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS date, session_id
        FROM analytics_events WHERE user_id IS NULL GROUP BY 1, 2
    ) s GROUP BY 1
), sessions AS (
    SELECT date, avg(extract(epoch FROM last_at - first_at) ::float8) AS seconds,
        100.0 * count(*) FILTER (WHERE page_views = 1) / count(*) AS bounce_rate
    FROM (
        SELECT ("timestamp" AT TIME ZONE 'UTC')::date AS date, min("timestamp") AS first_at,
            max("timestamp") AS last_at,
            count(*) FILTER (WHERE event_type = 'page_view') AS page_views
        FROM analytics_events GROUP BY 1, session_id COLLATE "C"
    ) s GROUP BY 1
), joined AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS date, count(*) AS people
    FROM app_users GROUP BY 1
)
SELECT date, :now, coalesce(people, 0), coalesce(active, 0), coalesce(came_back, 0),
    coalesce(active, 0) + coalesce(visitors, 0), coalesce(page_views, 0), coalesce(generations, 0),
    coalesce(requests, 0), coalesce(errors, 0), coalesce(profiles, 0), coalesce(comments, 0),
    coalesce(opened, 0), coalesce(resolved, 0), coalesce(banned, 0), coalesce(warnings, 0),
    round(response_ms), confidence, round(seconds), bounce_rate,
    coalesce(top_events.top, '[]'), coalesce(top_pages.top, '[]')
FROM totals
LEFT JOIN top_events USING (date)
LEFT JOIN top_pages USING (date)
LEFT JOIN people USING (date)
LEFT JOIN strangers USING (date)
LEFT JOIN sessions USING (date)
LEFT JOIN joined USING (date);
