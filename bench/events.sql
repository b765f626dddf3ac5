-- name: seed_random!
SELECT setseed(:seed ::float8);

-- name: add_people!
INSERT INTO app_users (email, created_at)
SELECT 'person-' || n || '@example.com',
    :until ::timestamptz - (n % (:days ::int * 2)) * interval '1 day' - (n % 86400) * interval '1 second'
FROM generate_series(1, :users ::int) n;

-- name: add_events!
-- In the order of their time, as they come in; every tenth by somebody who is not logged in. People
-- are not equally busy, and events not equally frequent.
INSERT INTO analytics_events
    (id, event_type, event_category, user_id, metadata, "timestamp", session_id, page_url)
SELECT gen_random_uuid(),
    (ARRAY['page_view', 'page_view', 'page_view', 'page_view', 'api_request', 'api_request',
        'generation_completed', 'pricing_viewed', 'user_login', 'user_created', 'trial_started',
        'subscription_created'])[1 + floor(12 * kind ^ 1.5) ::int],
    'user',
    CASE WHEN who < 0.9 THEN people.ids[1 + floor(:users ::int * (who / 0.9) ^ 1.3) ::int] END,
    CASE WHEN kind BETWEEN 0.4 AND 0.6
        THEN jsonb_build_object('response_time_ms', floor(500 * kind) ::int) ELSE '{}' END,
    at,
    's-' || floor(:users ::int * who ^ 1.3) ::int || '-' || floor(extract(epoch FROM at) / 21600),
    'https://app.example.com/page/' || floor(40 * kind) ::int
FROM (SELECT array_agg(id ORDER BY id) AS ids FROM app_users) people
CROSS JOIN (
    SELECT random() AS kind, random() AS who,
        :until ::timestamptz - (:events ::int - n) * (:days ::int * interval '1 day' / :events ::int) AS at
    FROM generate_series(1, :events ::int) n
) drawn;
