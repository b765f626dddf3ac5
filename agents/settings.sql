-- name: of_project
SELECT agent, settings FROM lamplighter.agent_settings WHERE project_id = :project;

-- name: of_agent^
SELECT settings, updated_at, updated_by FROM lamplighter.agent_settings
WHERE project_id = :project AND agent = :agent;

-- name: lock$
-- What is kept now, and nobody changes it until the transaction is over.
INSERT INTO lamplighter.agent_settings AS s (project_id, agent, settings, updated_at, updated_by)
VALUES (:project, :agent, '{}', :now, :by)
ON CONFLICT (project_id, agent) DO UPDATE SET settings = s.settings
RETURNING settings;

-- name: set!
UPDATE lamplighter.agent_settings SET settings = :settings, updated_at = :now, updated_by = :by
WHERE project_id = :project AND agent = :agent;

-- name: forget!
DELETE FROM lamplighter.agent_settings WHERE project_id = :project AND agent = :agent;

-- name: project_exists$
SELECT EXISTS (SELECT FROM projects WHERE id = :project);
