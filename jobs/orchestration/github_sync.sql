-- name: projects
-- Those whose last sync is longest ago first: what a limit leaves for later is not always the same.
SELECT p.id, p.github_repo, p.github_pat_encrypted,
    coalesce(p.use_global_pat, true) AS use_global_pat,
    coalesce(p.github_sync_issues, true) AS github_sync_issues,
    coalesce(p.github_sync_prs, true) AS github_sync_prs
FROM projects p
LEFT JOIN lamplighter.github_repositories r ON r.project_id = p.id
WHERE (CASE WHEN :project ::uuid IS NULL
            THEN p.github_sync_enabled AND coalesce(p.status, 'active') <> 'archived'
            ELSE p.id = :project END)
    AND NOT coalesce(r.is_sample, false)
ORDER BY r.last_synced_at NULLS FIRST, p.id;

-- name: left_behind
-- What was read for projects that the product has deleted.
SELECT r.project_id
FROM lamplighter.github_repositories r
WHERE NOT r.is_sample AND NOT EXISTS (SELECT FROM projects p WHERE p.id = r.project_id)
ORDER BY r.project_id;
