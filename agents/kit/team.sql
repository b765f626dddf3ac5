-- What an agent remembers of a project, and what it made of a unit.

-- name: looks
SELECT agent, looked_for FROM lamplighter.agent_looks WHERE project_id = :project;

-- name: read
SELECT ref, version FROM lamplighter.agent_read
WHERE project_id = :project AND agent = :agent AND ref = ANY (:refs ::text[]);

-- name: made_of
-- Of the unit, in this attempt at it or an earlier one.
SELECT agent, status, suggestions, reason
FROM lamplighter.agent_executions
WHERE unit_id = :unit;

-- name: begin!
INSERT INTO lamplighter.agent_executions (unit_id, agent, status, model, items, started_at)
VALUES (:unit, :agent, 'running', :model, :items, :now)
ON CONFLICT (unit_id, agent) DO UPDATE
SET status = 'running', reason = NULL, model = excluded.model, items = excluded.items,
    finished_at = NULL;

-- name: skip!
INSERT INTO lamplighter.agent_executions (unit_id, agent, status, reason, started_at, finished_at)
VALUES (:unit, :agent, 'skipped', :reason, :now, :now)
ON CONFLICT (unit_id, agent) DO UPDATE
SET status = 'skipped', reason = excluded.reason, finished_at = excluded.finished_at;

-- name: finish!
-- Usage is added to what earlier attempts at the unit have used.
UPDATE lamplighter.agent_executions
SET status = :status, reason = :reason, scores = :scores, rejected = :rejected,
    suggestions = :suggestions, calls = calls + :calls, tokens_in = tokens_in + :tokens_in,
    tokens_out = tokens_out + :tokens_out, cost_usd = cost_usd + :cost_usd, finished_at = :now
WHERE unit_id = :unit AND agent = :agent;

-- name: looked!
INSERT INTO lamplighter.agent_looks (project_id, agent, looked_for)
VALUES (:project, :agent, :scheduled_for)
ON CONFLICT (project_id, agent) DO UPDATE
SET looked_for = greatest(agent_looks.looked_for, excluded.looked_for);

-- name: remember!
INSERT INTO lamplighter.agent_read (project_id, agent, ref, version, read_at)
SELECT :project, :agent, ref, version, :now
FROM unnest(:refs ::text[], :versions ::text[]) AS item (ref, version)
ORDER BY ref
ON CONFLICT (project_id, agent, ref) DO UPDATE
SET version = excluded.version, read_at = excluded.read_at;
