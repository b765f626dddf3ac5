-- name: set_head!
UPDATE lamplighter.github_repositories SET head_sha = :head_sha
WHERE project_id = :project_id AND head_sha IS DISTINCT FROM :head_sha;

-- name: put_commits$
WITH kept AS (
    INSERT INTO lamplighter.github_commits (
        project_id, sha, parents, author_login, author_name, author_is_bot, authored_at,
        committed_at, message, walk
    )
    SELECT :project_id, sha, parents, author_login, author_name, author_is_bot, authored_at,
        committed_at, message, :walk
    FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        sha text, parents text[], author_login text, author_name text, author_is_bot boolean,
        authored_at timestamptz, committed_at timestamptz, message text)
    ORDER BY sha
    ON CONFLICT (project_id, sha) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM kept;

-- name: known_commits
SELECT sha, walk < :walk ::int AS before FROM lamplighter.github_commits
WHERE project_id = :project_id AND sha = ANY (:shas ::text[]);

-- name: forget_walk$
WITH gone AS (
    DELETE FROM lamplighter.github_commits WHERE project_id = :project_id AND walk = :walk
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: tie_merges$
-- A commit that a pull request became has its lines: those of merged pull requests are known.
WITH tied AS (
    UPDATE lamplighter.github_commits c
    SET pull = p.number, additions = p.additions, deletions = p.deletions, files = p.files
    FROM lamplighter.github_pulls p
    WHERE p.project_id = :project_id AND p.merged_at IS NOT NULL
        AND c.project_id = p.project_id AND c.sha = p.merge_sha
        AND (c.pull, c.additions, c.deletions, c.files)
            IS DISTINCT FROM (p.number, p.additions, p.deletions, p.files)
    RETURNING 1
)
SELECT count(*) FROM tied;

-- name: tie_branches$
-- What a merge brought in came with its pull request: what its second parent reaches and the main
-- line is not.
WITH RECURSIVE main (sha) AS (
    SELECT :head_sha ::text
    UNION ALL
    SELECT c.parents[1] FROM main m
    JOIN lamplighter.github_commits c ON c.project_id = :project_id AND c.sha = m.sha
    WHERE c.parents[1] IS NOT NULL
), brought (sha, pull, merged_at) AS (
    SELECT parent, c.pull, c.committed_at
    FROM lamplighter.github_commits c
    CROSS JOIN LATERAL unnest(c.parents[2:]) AS parent
    WHERE c.project_id = :project_id AND c.pull IS NOT NULL AND cardinality(c.parents) > 1
    UNION
    SELECT parent, b.pull, b.merged_at
    FROM brought b
    JOIN lamplighter.github_commits c
        ON c.project_id = :project_id AND c.sha = b.sha AND (c.pull IS NULL OR c.pull = b.pull)
    CROSS JOIN LATERAL unnest(c.parents) AS parent
    WHERE b.sha NOT IN (SELECT sha FROM main WHERE sha IS NOT NULL)
), tied AS (
    UPDATE lamplighter.github_commits c
    SET pull = b.pull
    FROM (
        SELECT DISTINCT ON (sha) sha, pull FROM brought
        WHERE sha NOT IN (SELECT sha FROM main WHERE sha IS NOT NULL)
        ORDER BY sha, merged_at, pull
    ) b
    WHERE c.project_id = :project_id AND c.sha = b.sha AND c.pull IS NULL
    RETURNING 1
)
SELECT count(*) FROM tied;

-- name: unknown_lines
-- Commits of this walk whose lines nobody tells but themselves, the latest first.
SELECT c.sha
FROM lamplighter.github_commits c
JOIN lamplighter.github_repositories r USING (project_id)
WHERE c.project_id = :project_id AND c.walk = :walk AND c.committed_at >= r.data_since
    AND c.additions IS NULL AND c.pull IS NULL AND cardinality(c.parents) < 2
ORDER BY c.committed_at DESC, c.sha
LIMIT :size;

-- name: set_lines!
UPDATE lamplighter.github_commits
SET additions = :additions, deletions = :deletions, files = :files ::text[]
WHERE project_id = :project_id AND sha = :sha;

-- name: prune_commits$
-- After a force push: what the head no longer reaches.
WITH RECURSIVE reached (sha) AS (
    SELECT :head_sha ::text
    UNION
    SELECT parent FROM reached d
    JOIN lamplighter.github_commits c ON c.project_id = :project_id AND c.sha = d.sha
    CROSS JOIN LATERAL unnest(c.parents) AS parent
), gone AS (
    DELETE FROM lamplighter.github_commits c
    WHERE c.project_id = :project_id AND NOT EXISTS (SELECT FROM reached d WHERE d.sha = c.sha)
    RETURNING 1
)
SELECT count(*) FROM gone;
