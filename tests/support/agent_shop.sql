-- name: add_repository!
INSERT INTO lamplighter.github_repositories
    (project_id, full_name, default_branch, data_since, last_synced_at, complete, is_sample)
VALUES (:project, :full_name, 'main', :synced_at ::timestamptz - interval '90 days', :synced_at, true, :is_sample)
ON CONFLICT (project_id) DO UPDATE SET last_synced_at = excluded.last_synced_at;

-- name: put_pull!
INSERT INTO lamplighter.github_pulls
    (project_id, number, title, body, state, draft, author_login, author_is_bot, author_association,
     created_at, updated_at, merged_at, base, head_sha, additions, deletions, changed_files, files,
     labels, html_url)
VALUES (:project, :number, :title, :body, :state, :draft, :author, :is_bot, :association,
    :created_at, :updated_at, :merged_at, 'main', :head_sha, 10, 2, 1, :files, :labels,
    'https://github.com/octocat/hello-world/pull/' || :number ::int)
ON CONFLICT (project_id, number) DO UPDATE SET title = excluded.title, body = excluded.body,
    state = excluded.state, head_sha = excluded.head_sha, updated_at = excluded.updated_at;

-- name: put_issue!
INSERT INTO lamplighter.github_issues
    (project_id, number, title, body, state, author_login, author_is_bot, author_association,
     created_at, updated_at, labels, comments, reactions, html_url)
VALUES (:project, :number, :title, :body, :state, :author, :is_bot, :association, :created_at,
    :updated_at, :labels, :comments, 0,
    'https://github.com/octocat/hello-world/issues/' || :number ::int)
ON CONFLICT (project_id, number) DO UPDATE SET title = excluded.title, body = excluded.body,
    state = excluded.state, updated_at = excluded.updated_at, comments = excluded.comments;

-- name: put_commit!
INSERT INTO lamplighter.github_commits
    (project_id, sha, parents, author_login, author_is_bot, authored_at, committed_at, message, files)
VALUES (:project, :sha, '{}', :author, :is_bot, :at, :at, :message, :files);

-- name: put_release!
INSERT INTO lamplighter.github_releases
    (project_id, id, tag, name, body, draft, prerelease, author_login, created_at, published_at,
     html_url)
VALUES (:project, :id, :tag, :name, :body, false, :prerelease, :author, :at, :at,
    'https://github.com/octocat/hello-world/releases/tag/' || :tag ::text);

-- name: put_milestone!
INSERT INTO lamplighter.github_milestones
    (project_id, number, title, state, created_at, due_on, closed_at, open_issues, closed_issues,
     html_url)
VALUES (:project, :number, :title, :state, :at, :due_on, :closed_at, :open_issues, :closed_issues,
    'https://github.com/octocat/hello-world/milestone/' || :number ::int);

-- name: put_file!
INSERT INTO lamplighter.github_files (project_id, path, sha, size, text)
VALUES (:project, :path, :sha, length(:text ::text), :text)
ON CONFLICT (project_id, path) DO UPDATE SET sha = excluded.sha, text = excluded.text;

-- name: units
SELECT * FROM lamplighter.agent_units ORDER BY scheduled_for, id;

-- name: executions
SELECT e.*, u.project_id, u.scheduled_for
FROM lamplighter.agent_executions e JOIN lamplighter.agent_units u ON u.id = e.unit_id
ORDER BY u.scheduled_for, u.project_id, e.agent;

-- name: suggestions
SELECT * FROM lamplighter.suggestions ORDER BY created_at, id;

-- name: spending
SELECT * FROM lamplighter.model_spending ORDER BY day, project_id;

-- name: set_agent!
INSERT INTO lamplighter.agent_settings (project_id, agent, settings, updated_at, updated_by)
VALUES (:project, :agent, :settings, :now, 'test')
ON CONFLICT (project_id, agent) DO UPDATE SET settings = excluded.settings;

-- name: decide!
UPDATE lamplighter.suggestions SET status = :status WHERE id = :id;

-- name: add_run!
INSERT INTO lamplighter.runs (id, job, job_type, trigger, status, scheduled_for, overlap_key,
    created_at, attempt, max_attempts, params)
VALUES (:id, 'orchestration/batch', 'orchestration/batch', 'http', :status, :at, (:id ::uuid) ::text, :now, 1, 1, '{}');

-- name: add_unit!
INSERT INTO lamplighter.agent_units
    (id, project_id, scheduled_for, run_id, status, phase, attempts, started_at)
VALUES (lamplighter.new_id(), :project, :at, :run, 'running', 'execute', 1, :at);

-- name: add_comment!
INSERT INTO lamplighter.github_comments
    (project_id, id, kind, number, author_login, author_is_bot, created_at, updated_at, body)
VALUES (:project, :id, 'conversation', :number, 'octocat', false, :at, :at, :body);
