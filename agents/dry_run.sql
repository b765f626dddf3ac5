-- name: projects_of
-- By the repository that the product has for it, or the one that was found there.
SELECT p.id
FROM projects p LEFT JOIN lamplighter.github_repositories r ON r.project_id = p.id
WHERE lower(:name ::text) IN (lower(p.github_repo), lower(r.full_name), lower(r.moved_to))
ORDER BY p.id
LIMIT 10;
