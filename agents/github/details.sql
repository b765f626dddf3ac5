-- name: waiting_pulls
-- Pull requests that changed since their reviews and files were read, the latest first.
SELECT p.number, p.updated_at, p.head_sha, p.files_for
FROM lamplighter.github_pulls p
JOIN lamplighter.github_repositories r USING (project_id)
WHERE p.project_id = :project_id AND p.updated_at >= r.data_since
    AND p.detailed_for IS DISTINCT FROM p.updated_at
ORDER BY p.updated_at DESC, p.number DESC
LIMIT :size;

-- name: put_reviews$
-- All that a pull request has; those that are no longer there go.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        id bigint, author_login text, author_is_bot boolean, author_association text, state text,
        submitted_at timestamptz, body text)
), gone AS (
    DELETE FROM lamplighter.github_reviews t
    WHERE t.project_id = :project_id AND t.pull = :pull AND :whole
        AND NOT EXISTS (SELECT FROM given g WHERE g.id = t.id)
    RETURNING 1
), kept AS (
    INSERT INTO lamplighter.github_reviews AS t (
        project_id, id, pull, author_login, author_is_bot, author_association, state, submitted_at,
        body
    )
    SELECT :project_id, id, :pull, author_login, author_is_bot, author_association, state,
        submitted_at, body
    FROM given
    ORDER BY id
    ON CONFLICT (project_id, id) DO UPDATE SET
        author_login = excluded.author_login, author_association = excluded.author_association,
        state = excluded.state, submitted_at = excluded.submitted_at, body = excluded.body
    WHERE (t.author_login, t.author_association, t.state, t.submitted_at, t.body)
        IS DISTINCT FROM
        (excluded.author_login, excluded.author_association, excluded.state,
         excluded.submitted_at, excluded.body)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept);

-- name: set_events!
UPDATE lamplighter.github_pulls
SET ready_at = :ready_at, merged_by = :merged_by, detailed_for = :updated_at
WHERE project_id = :project_id AND number = :number;

-- name: set_files!
UPDATE lamplighter.github_pulls
SET additions = :additions, deletions = :deletions, changed_files = :changed_files,
    files = :files ::text[], files_for = :head_sha
WHERE project_id = :project_id AND number = :number;
