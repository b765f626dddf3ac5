-- name: projects
-- Those that the batch goes over; of all projects, or if it is one of them that `project`; with
-- `whatever`, that one whatever it is. The longest unseen first.
SELECT p.id, p.github_repo, p.github_pat_encrypted,
    coalesce(p.use_global_pat, true) AS use_global_pat,
    coalesce(p.github_sync_issues, true) AS github_sync_issues,
    coalesce(p.github_sync_prs, true) AS github_sync_prs,
    coalesce(r.is_sample, false) AS is_sample
FROM projects p
LEFT JOIN lamplighter.github_repositories r ON r.project_id = p.id
LEFT JOIN LATERAL (
    SELECT max(u.scheduled_for) AS at FROM lamplighter.agent_units u WHERE u.project_id = p.id
) AS seen ON true
WHERE (:project ::uuid IS NULL OR p.id = :project)
    AND (:whatever OR (p.github_sync_enabled AND coalesce(p.status, 'active') <> 'archived'))
ORDER BY seen.at NULLS FIRST, p.id;
