-- name: add_project$
INSERT INTO projects (id, name, status, github_repo, github_sync_enabled, github_pat_encrypted,
    use_global_pat, github_sync_issues, github_sync_prs)
VALUES (gen_random_uuid(), :repo ::text, :status ::text, :repo ::text, :enabled, :own, :use_global,
    :issues, :pulls)
RETURNING id;

-- name: repository^
SELECT r.*, p.github_last_synced_at
FROM lamplighter.github_repositories r
LEFT JOIN projects p ON p.id = r.project_id
WHERE r.project_id = :project_id;

-- name: product_issues
SELECT github_issue_id, title, state, labels, comments_count, github_updated_at, html_url
FROM project_github_issues WHERE project_id = :project_id ORDER BY github_issue_id;

-- name: product_pulls
SELECT github_pr_id, title, state, merged, additions, changed_files, head_sha,
    merged_by_github_user, github_updated_at
FROM project_github_prs WHERE project_id = :project_id ORDER BY github_pr_id;

-- name: versions
SELECT 'commits' AS name, count(*) AS rows, coalesce(max(xmin::text::bigint), 0) AS latest FROM lamplighter.github_commits
UNION ALL SELECT 'pulls', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_pulls
UNION ALL SELECT 'issues', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_issues
UNION ALL SELECT 'reviews', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_reviews
UNION ALL SELECT 'comments', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_comments
UNION ALL SELECT 'releases', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_releases
UNION ALL SELECT 'milestones', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_milestones
UNION ALL SELECT 'labels', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_labels
UNION ALL SELECT 'files', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_files
UNION ALL SELECT 'etags', count(*), coalesce(max(xmin::text::bigint), 0) FROM lamplighter.github_etags
UNION ALL SELECT 'product issues', count(*), coalesce(max(xmin::text::bigint), 0) FROM project_github_issues
UNION ALL SELECT 'product pulls', count(*), coalesce(max(xmin::text::bigint), 0) FROM project_github_prs
-- The server may read several of them at once, in any order.
ORDER BY name;

-- name: quota
SELECT * FROM lamplighter.github_quota;

-- name: conditions
SELECT name, reason FROM lamplighter.conditions;
