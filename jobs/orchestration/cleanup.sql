-- Each deletes a batch, oldest first, and says how many went.

-- name: units^
-- With what the agents made of them, so that no batch walks past what the one before has emptied.
WITH old AS (
    SELECT id FROM lamplighter.agent_units
    WHERE started_at < :before AND status <> 'running'
    ORDER BY started_at LIMIT :size
), logs AS (
    DELETE FROM lamplighter.agent_executions e USING old WHERE e.unit_id = old.id RETURNING 1
), units AS (
    DELETE FROM lamplighter.agent_units u USING old WHERE u.id = old.id RETURNING 1
)
SELECT (SELECT count(*) FROM logs) AS logs, (SELECT count(*) FROM units) AS units;

-- name: analyses$
-- The latest of each project stays: it is what the pages show.
WITH gone AS (
    DELETE FROM lamplighter.github_analyses a
    USING (SELECT o.project_id, o.data_hash
           FROM lamplighter.github_analyses o
           WHERE o.analysed_at < :before AND EXISTS (
                SELECT FROM lamplighter.github_analyses newer
                WHERE newer.project_id = o.project_id
                    AND (newer.analysed_at, newer.data_hash) > (o.analysed_at, o.data_hash))
           LIMIT :size) AS old
    WHERE a.project_id = old.project_id AND a.data_hash = old.data_hash
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: expired$
-- Nobody wanted to decide on them, and the longest cooldown that they are held against is over.
-- Rejected ones stay: they are what must not come again; so do published ones.
WITH gone AS (
    DELETE FROM lamplighter.suggestions
    WHERE id IN (
        SELECT s.id FROM lamplighter.suggestions s
        WHERE s.status = 'expired' AND s.expires_at < :before
            AND s.created_at <= :now ::timestamptz - make_interval(hours => greatest(
                :cooldown_hours ::int,
                (SELECT max((o.settings ->> 'cooldown_hours')::int)
                 FROM lamplighter.agent_settings o WHERE o.project_id = s.project_id)))
        ORDER BY s.expires_at LIMIT :size)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: settings_of_nobody!
DELETE FROM lamplighter.agent_settings s
WHERE NOT EXISTS (SELECT FROM projects p WHERE p.id = s.project_id);

-- name: looks_of_nobody!
DELETE FROM lamplighter.agent_looks l
WHERE NOT EXISTS (SELECT FROM projects p WHERE p.id = l.project_id);

-- name: read_by_nobody$
WITH gone AS (
    DELETE FROM lamplighter.agent_read
    WHERE (project_id, agent, ref) IN (
        SELECT r.project_id, r.agent, r.ref FROM lamplighter.agent_read r
        WHERE NOT EXISTS (SELECT FROM projects p WHERE p.id = r.project_id) LIMIT :size)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: spending!
DELETE FROM lamplighter.model_spending WHERE day < :day;
