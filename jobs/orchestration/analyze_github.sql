-- name: project_exists$
SELECT EXISTS (SELECT FROM projects WHERE id = :project);

-- name: fetched_projects
SELECT r.project_id
FROM lamplighter.github_repositories r JOIN projects p ON p.id = r.project_id
WHERE r.last_synced_at IS NOT NULL AND coalesce(p.status, 'active') <> 'archived'
ORDER BY r.project_id;
