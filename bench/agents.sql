-- name: add_projects!
INSERT INTO projects (id, name, status, github_repo, github_sync_enabled)
SELECT gen_random_uuid(), 'Project ' || n, 'active', 'octocat/project-' || n, true
FROM generate_series(1, :projects ::int) AS n;

-- name: add_repositories!
INSERT INTO lamplighter.github_repositories
    (project_id, full_name, default_branch, data_since, last_synced_at, complete)
SELECT id, github_repo, 'main', :now ::timestamptz - interval '90 days', :now, true FROM projects;

-- name: add_pulls!
INSERT INTO lamplighter.github_pulls
    (project_id, number, title, body, state, draft, author_login, author_is_bot,
     author_association, created_at, updated_at, base, head_sha, files, labels, html_url)
SELECT p.id, n, 'Change ' || n, repeat('What it does and why. ', 20), 'open', false, 'ada', false,
    'MEMBER', :now ::timestamptz - n * interval '1 hour', :now ::timestamptz - n * interval '1 hour',
    'main', md5(p.id ::text || n), ARRAY['src/app.py'], '{}',
    'https://github.com/' || p.github_repo || '/pull/' || n
FROM projects p, generate_series(1, 10) AS n;

-- name: add_issues!
INSERT INTO lamplighter.github_issues
    (project_id, number, title, body, state, author_login, author_is_bot, author_association,
     created_at, updated_at, labels, comments, reactions, html_url)
SELECT p.id, 100 + n, 'Trouble ' || n, repeat('It does not work. ', 20), 'open', 'ben', false, 'NONE',
    :now ::timestamptz - n * interval '1 hour', :now ::timestamptz - n * interval '1 hour',
    CASE WHEN n % 2 = 0 THEN ARRAY['ui'] ELSE ARRAY['bug'] END, 0, 0,
    'https://github.com/' || p.github_repo || '/issues/' || (100 + n)
FROM projects p, generate_series(1, 10) AS n;

-- name: add_releases!
INSERT INTO lamplighter.github_releases
    (project_id, id, tag, name, body, draft, prerelease, author_login, created_at, published_at,
     html_url)
SELECT id, 1, 'v1.0.0', 'One', '', false, false, 'ada', :now ::timestamptz - interval '1 day',
    :now ::timestamptz - interval '1 day', 'https://github.com/' || github_repo || '/releases/tag/v1.0.0'
FROM projects;

-- name: add_files!
INSERT INTO lamplighter.github_files (project_id, path, sha, size, text)
SELECT id, 'README.md', md5(id ::text), 2000, repeat('A line of the README. ', 90) FROM projects;

-- name: forget!
TRUNCATE lamplighter.agent_read, lamplighter.agent_looks;
