-- What agents read, the latest first. Texts are cut here: nobody is shown more of them.

-- name: pulls
SELECT number, title, left(body, :most_text) AS text, state, draft, author_login, author_is_bot,
    author_association, created_at, updated_at, merged_at, base, head_sha, additions, deletions,
    changed_files, files[1:(:most_listed ::int)] AS files, labels[1:(:most_listed ::int)] AS labels, milestone, html_url,
    (SELECT count(*) FROM lamplighter.github_reviews r
     WHERE r.project_id = p.project_id AND r.pull = p.number AND NOT r.author_is_bot
        AND r.author_login IS DISTINCT FROM p.author_login) AS reviews
FROM lamplighter.github_pulls p
WHERE project_id = :project AND created_at <= :now AND (state = 'open' OR updated_at >= :since)
ORDER BY updated_at DESC, number DESC
LIMIT :most;

-- name: issues
SELECT number, title, left(body, :most_text) AS text, state, state_reason, author_login,
    author_is_bot, author_association, created_at, updated_at,
    labels[1:(:most_listed ::int)] AS labels, milestone,
    -- Without our own, which begin with their mark: an agent is not to answer itself.
    comments - (SELECT count(*) FROM lamplighter.github_comments c
                WHERE c.project_id = i.project_id AND c.number = i.number
                    AND c.body LIKE '<!-- lamplighter:%') AS comments,
    reactions, html_url
FROM lamplighter.github_issues i
WHERE project_id = :project AND gone IS NULL AND created_at <= :now
    AND (state = 'open' OR updated_at >= :since)
ORDER BY updated_at DESC, number DESC
LIMIT :most;

-- name: commits
SELECT sha, left(message, :most_text) AS text, author_login, author_name, author_is_bot,
    committed_at, additions, deletions, files[1:(:most_listed ::int)] AS files, pull
FROM lamplighter.github_commits
WHERE project_id = :project AND committed_at BETWEEN :since AND :now
ORDER BY committed_at DESC, sha
LIMIT :most;

-- name: releases
SELECT tag, name, left(body, :most_text) AS text, draft, prerelease, author_login,
    coalesce(published_at, created_at) AS at, published_at, html_url
FROM lamplighter.github_releases
WHERE project_id = :project AND coalesce(published_at, created_at) BETWEEN :since AND :now
ORDER BY coalesce(published_at, created_at) DESC, id DESC
LIMIT :most;

-- name: milestones
SELECT number, title, left(description, :most_text) AS text, state, created_at, due_on, closed_at,
    open_issues, closed_issues, html_url
FROM lamplighter.github_milestones
WHERE project_id = :project AND created_at <= :now AND (state = 'open' OR closed_at >= :since)
ORDER BY coalesce(closed_at, created_at) DESC, number DESC
LIMIT :most;

-- name: files
-- Their time is the last sync's: what changed is told by the sha.
SELECT f.path, f.sha, f.size, left(f.text, :most_text) AS text, r.last_synced_at AS at
FROM lamplighter.github_files f JOIN lamplighter.github_repositories r USING (project_id)
WHERE f.project_id = :project AND f.text IS NOT NULL
ORDER BY f.path COLLATE "C"
LIMIT :most;
