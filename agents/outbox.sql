-- name: ready
-- What auto_publish has approved, and what was begun and is not done; the oldest first.
SELECT s.id
FROM lamplighter.suggestions s
LEFT JOIN lamplighter.publications p ON p.suggestion_id = s.id
WHERE s.status = 'approved' AND NOT s.is_sample
    AND (:project ::uuid IS NULL OR s.project_id = :project)
    AND ((s.approved_hash IS NOT NULL AND s.decided_by = :by) OR p.done_at IS NULL AND p.marker IS NOT NULL)
ORDER BY s.approved_at, s.seq
LIMIT :most;

-- name: lock$
-- Nobody else decides about it until the transaction is over.
SELECT id FROM lamplighter.suggestions WHERE id = :suggestion FOR UPDATE;

-- name: read^
-- A suggestion with its publication, its project and its repository as they are now.
SELECT s.id, s.project_id, s.kind, s.status, s.title, s.body, s.action, s.evidence, s.approved_hash,
    s.approved_at, s.created_at, lamplighter.shown_hash(s.title, s.body, s.action) AS hash_now,
    s.is_sample OR coalesce(r.is_sample, false) AS is_sample,
    o.marker, o.sent_at, o.begun_at, o.by_itself,
    o.marker IS NOT NULL AND o.done_at IS NULL AS is_open,
    EXISTS (SELECT FROM lamplighter.runs u
            WHERE u.id = o.run_id AND u.id <> :run AND u.status = 'running') AS is_at_work,
    p.id IS NOT NULL AS has_project, p.github_repo, p.github_pat_encrypted,
    coalesce(p.use_global_pat, true) AS use_global_pat, r.moved_to, r.installation_id
FROM lamplighter.suggestions s
LEFT JOIN lamplighter.publications o ON o.suggestion_id = s.id
LEFT JOIN projects p ON p.id = s.project_id
LEFT JOIN lamplighter.github_repositories r ON r.project_id = s.project_id
WHERE s.id = :suggestion;

-- name: begin!
-- The approval is used up here. The mark of an attempt before stays: it may be found by that.
WITH used AS (
    UPDATE lamplighter.suggestions SET approved_hash = NULL, publish_error = NULL
    WHERE id = :suggestion
    RETURNING id
), event AS (
    INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, detail)
    SELECT id, :now ::timestamptz, 'publishing', :by, jsonb_build_object('runId', :run ::uuid)
    FROM used
)
INSERT INTO lamplighter.publications (suggestion_id, marker, begun_at, run_id, by_itself)
VALUES (:suggestion, :marker, :now, :run, :by_itself)
ON CONFLICT (suggestion_id) DO UPDATE
    SET begun_at = least(publications.begun_at, excluded.begun_at), done_at = NULL,
        run_id = excluded.run_id, by_itself = excluded.by_itself;

-- name: take_over!
UPDATE lamplighter.publications SET run_id = :run WHERE suggestion_id = :suggestion;

-- name: ended_by^
-- What this run has made of it, in an earlier attempt.
SELECT s.status, s.published_url, s.publish_error
FROM lamplighter.publications p
JOIN lamplighter.suggestions s ON s.id = p.suggestion_id
WHERE p.suggestion_id = :suggestion AND p.run_id = :run AND p.done_at IS NOT NULL
    AND s.status IN ('published', 'publish_failed');

-- name: set_sent$
UPDATE lamplighter.publications SET sent_at = :now
WHERE suggestion_id = :suggestion AND run_id = :run AND done_at IS NULL
RETURNING suggestion_id;

-- name: set_published$
WITH done AS (
    UPDATE lamplighter.publications SET done_at = :now
    WHERE suggestion_id = :suggestion AND done_at IS NULL
    RETURNING suggestion_id
), published AS (
    UPDATE lamplighter.suggestions s
    SET status = 'published', published_at = :now, published_url = :url, publish_error = NULL
    FROM done WHERE s.id = done.suggestion_id
    RETURNING s.id
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, detail)
SELECT id, :now ::timestamptz, 'published', 'lamplighter', jsonb_build_object('url', :url ::text)
FROM published
RETURNING suggestion_id;

-- name: set_failed!
-- Nothing was written.
WITH done AS (
    UPDATE lamplighter.publications SET done_at = :now, sent_at = NULL
    WHERE suggestion_id = :suggestion AND done_at IS NULL
    RETURNING suggestion_id
), failed AS (
    UPDATE lamplighter.suggestions s SET status = 'publish_failed', publish_error = :why
    FROM done WHERE s.id = done.suggestion_id
    RETURNING s.id
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, reason)
SELECT id, :now ::timestamptz, 'publish_failed', 'lamplighter', :why FROM failed;

-- name: give_back!
WITH done AS (
    UPDATE lamplighter.publications SET done_at = :now
    WHERE suggestion_id = :suggestion AND done_at IS NULL
), returned AS (
    UPDATE lamplighter.suggestions s
    SET status = 'pending', approved_hash = NULL, approved_at = NULL,
        expires_at = greatest(expires_at, :expires_at ::timestamptz)
    WHERE s.id = :suggestion AND s.status = 'approved'
    RETURNING s.id
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, reason)
SELECT id, :now ::timestamptz, 'returned', 'lamplighter', :why FROM returned;
