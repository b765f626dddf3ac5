-- Each gives what touches :since .. :until, newest first, and without the texts.

-- name: repository^
SELECT full_name, default_branch, data_since, last_synced_at, complete, is_sample
FROM lamplighter.github_repositories
WHERE project_id = :project;

-- name: commits
SELECT sha, author_login, author_is_bot, authored_at, committed_at, additions, deletions,
    files[1:(:most_files ::int)] AS files, pull
FROM lamplighter.github_commits
WHERE project_id = :project AND committed_at >= :since AND committed_at < :until
ORDER BY committed_at DESC, sha
LIMIT :most;

-- name: pulls
SELECT number, author_login, author_is_bot, created_at, updated_at, closed_at, labels, draft,
    ready_at, merged_at, base, additions, deletions, files[1:(:most_files ::int)] AS files
FROM lamplighter.github_pulls
WHERE project_id = :project AND created_at < :until AND (closed_at IS NULL OR closed_at >= :since)
ORDER BY updated_at DESC, number DESC
LIMIT :most;

-- name: issues
SELECT number, author_login, author_is_bot, created_at, updated_at, closed_at, labels, state_reason
FROM lamplighter.github_issues
WHERE project_id = :project AND created_at < :until AND (closed_at IS NULL OR closed_at >= :since)
    AND gone IS NULL
ORDER BY updated_at DESC, number DESC
LIMIT :most;

-- name: reviews
SELECT pull, author_login, author_is_bot, submitted_at
FROM lamplighter.github_reviews
WHERE project_id = :project AND submitted_at >= :since AND submitted_at < :until
ORDER BY submitted_at DESC, id DESC
LIMIT :most;

-- name: comments
SELECT number, author_login, author_is_bot, created_at
FROM lamplighter.github_comments
WHERE project_id = :project AND created_at >= :since AND created_at < :until
ORDER BY created_at DESC, kind, id DESC
LIMIT :most;

-- name: releases
-- And the last one before, to say how long that is ago.
SELECT tag, prerelease, published_at
FROM lamplighter.github_releases
WHERE project_id = :project AND NOT draft AND published_at < :until
    AND published_at >= coalesce(
        (SELECT max(published_at) FROM lamplighter.github_releases
         WHERE project_id = :project AND NOT draft AND NOT prerelease AND published_at < :since),
        :since)
ORDER BY published_at DESC, id DESC
LIMIT :most;

-- name: milestones
SELECT number, title, due_on, closed_at, open_issues, closed_issues
FROM lamplighter.github_milestones
WHERE project_id = :project AND created_at < :until AND (closed_at IS NULL OR closed_at >= :since)
ORDER BY number DESC
LIMIT :most;
