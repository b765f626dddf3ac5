-- name: put_issues!
INSERT INTO project_github_issues AS t (
    id, project_id, github_issue_id, github_issue_node_id, title, body, state,
    created_by_github_user, created_by_github_avatar, assigned_to_github_user, labels, milestone,
    html_url, api_url, comments_count, reactions_count, github_created_at, github_updated_at,
    github_closed_at, synced_at, date_created, date_updated
)
SELECT lamplighter.new_id(), :project_id, number, node_id, title, body, state, author_login,
    avatar, assignee, labels, milestone, html_url, api_url, comments, reactions, created_at,
    updated_at, closed_at, :now, :now, :now
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    number int, node_id text, title text, body text, state text, author_login text, avatar text,
    assignee text, labels jsonb, milestone text, html_url text, api_url text, comments int,
    reactions int, created_at timestamptz, updated_at timestamptz, closed_at timestamptz)
ORDER BY number
ON CONFLICT (project_id, github_issue_id) DO UPDATE SET
    github_issue_node_id = excluded.github_issue_node_id, title = excluded.title,
    body = excluded.body, state = excluded.state,
    created_by_github_user = excluded.created_by_github_user,
    created_by_github_avatar = excluded.created_by_github_avatar,
    assigned_to_github_user = excluded.assigned_to_github_user, labels = excluded.labels,
    milestone = excluded.milestone, html_url = excluded.html_url, api_url = excluded.api_url,
    comments_count = excluded.comments_count, reactions_count = excluded.reactions_count,
    github_created_at = excluded.github_created_at, github_updated_at = excluded.github_updated_at,
    github_closed_at = excluded.github_closed_at, synced_at = excluded.synced_at,
    date_updated = excluded.date_updated
WHERE coalesce(t.github_updated_at <= excluded.github_updated_at, true)
    AND (t.github_issue_node_id, t.title, t.body, t.state, t.created_by_github_user,
         t.created_by_github_avatar, t.assigned_to_github_user, t.labels, t.milestone, t.html_url,
         t.api_url, t.comments_count, t.reactions_count, t.github_created_at, t.github_updated_at,
         t.github_closed_at)
        IS DISTINCT FROM
        (excluded.github_issue_node_id, excluded.title, excluded.body, excluded.state,
         excluded.created_by_github_user, excluded.created_by_github_avatar,
         excluded.assigned_to_github_user, excluded.labels, excluded.milestone, excluded.html_url,
         excluded.api_url, excluded.comments_count, excluded.reactions_count,
         excluded.github_created_at, excluded.github_updated_at, excluded.github_closed_at);

-- name: put_pulls!
INSERT INTO project_github_prs AS t (
    id, project_id, github_pr_id, github_pr_node_id, title, body, state, draft, head_branch,
    base_branch, head_sha, created_by_github_user, created_by_github_avatar, labels, milestone,
    reviewers, html_url, api_url, diff_url, merged, github_created_at, github_updated_at,
    github_closed_at, github_merged_at, synced_at, date_created, date_updated
)
SELECT lamplighter.new_id(), :project_id, number, node_id, title, body, state, draft, head, base,
    left(head_sha, 40), author_login, avatar, labels, milestone, reviewers, html_url, api_url,
    diff_url, merged_at IS NOT NULL, created_at, updated_at, closed_at, merged_at, :now, :now, :now
FROM jsonb_to_recordset(:rows ::jsonb) AS r (
    number int, node_id text, title text, body text, state text, draft boolean, head text,
    base text, head_sha text, author_login text, avatar text, labels jsonb, milestone text,
    reviewers jsonb, html_url text, api_url text, diff_url text, created_at timestamptz,
    updated_at timestamptz, closed_at timestamptz, merged_at timestamptz)
ORDER BY number
ON CONFLICT (project_id, github_pr_id) DO UPDATE SET
    github_pr_node_id = coalesce(excluded.github_pr_node_id, t.github_pr_node_id),
    title = excluded.title, body = excluded.body, state = excluded.state, draft = excluded.draft,
    head_branch = coalesce(excluded.head_branch, t.head_branch),
    base_branch = coalesce(excluded.base_branch, t.base_branch),
    head_sha = coalesce(excluded.head_sha, t.head_sha),
    created_by_github_user = excluded.created_by_github_user,
    created_by_github_avatar = excluded.created_by_github_avatar, labels = excluded.labels,
    milestone = excluded.milestone, reviewers = excluded.reviewers, html_url = excluded.html_url,
    api_url = coalesce(excluded.api_url, t.api_url),
    diff_url = coalesce(excluded.diff_url, t.diff_url), merged = excluded.merged,
    github_created_at = excluded.github_created_at, github_updated_at = excluded.github_updated_at,
    github_closed_at = excluded.github_closed_at, github_merged_at = excluded.github_merged_at,
    synced_at = excluded.synced_at, date_updated = excluded.date_updated
WHERE coalesce(t.github_updated_at <= excluded.github_updated_at, true)
    AND (t.title, t.body, t.state, t.draft, t.head_branch, t.base_branch, t.head_sha, t.labels,
         t.milestone, t.reviewers, t.html_url, t.merged, t.github_updated_at, t.github_closed_at,
         t.github_merged_at)
        IS DISTINCT FROM
        (excluded.title, excluded.body, excluded.state, excluded.draft,
         coalesce(excluded.head_branch, t.head_branch),
         coalesce(excluded.base_branch, t.base_branch), coalesce(excluded.head_sha, t.head_sha),
         excluded.labels, excluded.milestone, excluded.reviewers, excluded.html_url,
         excluded.merged, excluded.github_updated_at, excluded.github_closed_at,
         excluded.github_merged_at);

-- name: set_details!
UPDATE project_github_prs t
SET additions = coalesce(p.additions, t.additions), deletions = coalesce(p.deletions, t.deletions),
    changed_files = coalesce(p.changed_files, t.changed_files),
    merged_by_github_user = p.merged_by, synced_at = :now, date_updated = :now
FROM lamplighter.github_pulls p
WHERE p.project_id = :project_id AND p.number = :number
    AND t.project_id = p.project_id AND t.github_pr_id = p.number
    AND (t.additions, t.deletions, t.changed_files, t.merged_by_github_user)
        IS DISTINCT FROM
        (coalesce(p.additions, t.additions), coalesce(p.deletions, t.deletions),
         coalesce(p.changed_files, t.changed_files), p.merged_by);

-- name: remove_issue!
-- The product knows no state for what is gone.
DELETE FROM project_github_issues WHERE project_id = :project_id AND github_issue_id = :number;

-- name: remove_pull!
DELETE FROM project_github_prs WHERE project_id = :project_id AND github_pr_id = :number;

-- name: forget_issues!
DELETE FROM project_github_issues WHERE project_id = :project_id;

-- name: forget_pulls!
DELETE FROM project_github_prs WHERE project_id = :project_id;

-- name: set_synced!
UPDATE projects SET github_last_synced_at = :now WHERE id = :project_id;
