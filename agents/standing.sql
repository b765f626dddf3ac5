-- How projects stand, for whoever looks at them. Every query reads as much as a page shows.

-- fragment: velocity
-- The latest measurement of a week, as every visit to a project makes it.
SELECT a.data -> 'velocity' AS velocity, a.period_end
FROM lamplighter.github_analyses a
WHERE a.project_id = p.id AND a.period_end - a.period_start = :measured ::interval
ORDER BY a.analysed_at DESC LIMIT 1

-- fragment: standing
SELECT p.id, p.name, p.github_repo AS repository, coalesce(p.status, 'active') AS status,
    coalesce(p.github_sync_enabled, false) AS is_synced, r.full_name, r.moved_to, r.html_url,
    r.default_branch, r.data_since, r.open_issues, r.error, r.error_at, r.last_synced_at,
    coalesce(r.complete, false) AS is_complete, coalesce(r.is_sample, false) AS is_sample,
    v.velocity, v.period_end AS measured_to, u.status AS unit_status, u.started_at AS unit_started_at,
    w.waiting
FROM p
LEFT JOIN lamplighter.github_repositories r ON r.project_id = p.id
LEFT JOIN LATERAL ({velocity}) AS v ON true
LEFT JOIN LATERAL (
    SELECT u.status, u.started_at FROM lamplighter.agent_units u
    WHERE u.project_id = p.id ORDER BY u.scheduled_for DESC LIMIT 1) AS u ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting FROM (
        SELECT FROM lamplighter.suggestions s
        WHERE s.project_id = p.id AND s.status = 'pending' LIMIT :most_waiting) AS few) AS w

-- name: standings
-- Those with a repository, by name; `after` is the last one of the page before.
WITH p AS MATERIALIZED (
    SELECT p.id, p.name, p.github_repo, p.status, p.github_sync_enabled
    FROM projects p
    WHERE p.github_repo IS NOT NULL
        AND (:after ::uuid IS NULL
             OR (lower(p.name), p.id) > (SELECT lower(b.name), b.id FROM projects b WHERE b.id = :after))
    ORDER BY lower(p.name), p.id LIMIT :most
)
{standing} ORDER BY lower(p.name), p.id;

-- name: standing_of^
WITH p AS MATERIALIZED (
    SELECT p.id, p.name, p.github_repo, p.status, p.github_sync_enabled
    FROM projects p WHERE p.id = :project
)
{standing};

-- name: trend
-- The last measurement of each day, the latest days; so many rows of a project are kept at most.
SELECT day, score
FROM (
    SELECT DISTINCT ON (day) (period_end AT TIME ZONE 'UTC')::date AS day,
        (data #>> '{velocity,score}') ::float8 AS score
    FROM lamplighter.github_analyses
    WHERE project_id = :project AND period_end - period_start = :measured ::interval
        AND jsonb_typeof(data #> '{velocity,score}') = 'number'
    ORDER BY day DESC, analysed_at DESC LIMIT :most
) AS days
ORDER BY day;

-- name: quotas
-- What is left of each token's requests; of those that a project was read with, or of all.
SELECT q.token_hash, q.resource, q."limit", q.remaining, q.reset_at, q.seen_at
FROM lamplighter.github_quota q
WHERE :project ::uuid IS NULL OR EXISTS (
    SELECT FROM lamplighter.github_etags e
    WHERE e.project_id = :project AND e.token_hash = q.token_hash)
ORDER BY q.seen_at DESC, q.token_hash, q.resource LIMIT :most;

-- name: units
SELECT id, scheduled_for, run_id, status, phase, attempts, error, next_attempt_at, started_at,
    finished_at
FROM lamplighter.agent_units
WHERE project_id = :project AND (:before ::timestamptz IS NULL OR scheduled_for < :before)
ORDER BY scheduled_for DESC LIMIT :most;

-- name: executions
SELECT unit_id, agent, status, left(reason, 1000) AS reason, items, suggestions, rejected, model,
    calls, tokens_in, tokens_out, cost_usd, started_at, finished_at
FROM lamplighter.agent_executions WHERE unit_id = ANY (:units ::uuid[]) ORDER BY agent;

-- name: spent$
SELECT cost_usd FROM lamplighter.model_spending WHERE day = :day AND project_id = :project;

-- name: names
SELECT id, name FROM projects WHERE id = ANY (:projects ::uuid[]);

-- name: choices
SELECT id, name FROM projects WHERE github_repo IS NOT NULL ORDER BY lower(name), id LIMIT :most;
