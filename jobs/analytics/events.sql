-- fragment: events
-- Events of the product under one set of names. A plain subquery: the planner sees through it, so
-- that indexes serve as they would without. A session without a name is none.
(
    SELECT id, event_type, event_category, user_id, {time} AS at,
        nullif({session_id} ::text, '') AS session_id, {page_url} ::text AS page_url,
        metadata, {properties} ::jsonb AS properties
    FROM analytics_events
)
