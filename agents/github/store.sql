-- name: repository^
SELECT * FROM lamplighter.github_repositories WHERE project_id = :project_id;

-- name: repositories
SELECT project_id, full_name, moved_to, error, last_synced_at, complete, revision, is_sample
FROM lamplighter.github_repositories
ORDER BY project_id;

-- name: begin_repository!
INSERT INTO lamplighter.github_repositories (project_id, full_name)
VALUES (:project_id, :full_name)
ON CONFLICT (project_id) DO UPDATE SET full_name = excluded.full_name
    WHERE github_repositories.full_name <> excluded.full_name;

-- name: set_repository!
UPDATE lamplighter.github_repositories
SET github_id = :github_id, moved_to = :moved_to, description = :description, html_url = :html_url,
    default_branch = :default_branch, open_issues = :open_issues,
    data_since = coalesce(data_since, :data_since)
WHERE project_id = :project_id
    AND (github_id, moved_to, description, html_url, default_branch, open_issues,
         data_since IS NULL)
        IS DISTINCT FROM
        (:github_id ::bigint, :moved_to ::text, :description ::text, :html_url ::text, :default_branch ::text,
         :open_issues ::int, false);

-- name: set_installation!
UPDATE lamplighter.github_repositories SET installation_id = :installation_id
WHERE project_id = :project_id AND installation_id IS DISTINCT FROM :installation_id;

-- name: set_cursors!
UPDATE lamplighter.github_repositories
SET cursors = :cursors, revision = revision + CASE WHEN :changed ::boolean THEN 1 ELSE 0 END
WHERE project_id = :project_id
    AND (:changed ::boolean OR cursors IS DISTINCT FROM :cursors ::jsonb);

-- name: set_head!
UPDATE lamplighter.github_repositories SET head_sha = :head_sha
WHERE project_id = :project_id AND head_sha IS DISTINCT FROM :head_sha;

-- name: end_complete!
UPDATE lamplighter.github_repositories
SET last_synced_at = :now, complete = true, error = NULL, error_at = NULL
WHERE project_id = :project_id;

-- name: end_partial!
UPDATE lamplighter.github_repositories SET complete = false, error = NULL, error_at = NULL
WHERE project_id = :project_id AND (complete OR error IS NOT NULL);

-- name: end_failed!
INSERT INTO lamplighter.github_repositories AS r (project_id, full_name, error, error_at)
VALUES (:project_id, :full_name, :error, :now)
ON CONFLICT (project_id) DO UPDATE
    SET error = excluded.error, error_at = excluded.error_at, complete = false;

-- name: etags
SELECT url, etag FROM lamplighter.github_etags
WHERE project_id = :project_id AND token_hash = :token_hash;

-- name: set_etag!
INSERT INTO lamplighter.github_etags AS t (project_id, token_hash, url, etag)
VALUES (:project_id, :token_hash, :url, :etag)
ON CONFLICT (project_id, token_hash, url) DO UPDATE SET etag = excluded.etag
    WHERE t.etag <> excluded.etag;

-- name: forget_etag!
DELETE FROM lamplighter.github_etags
WHERE project_id = :project_id AND token_hash = :token_hash AND url = :url;

-- name: forget_other_etags!
-- Those of tokens that are no longer used, and of pages that are no longer asked for.
DELETE FROM lamplighter.github_etags
WHERE project_id = :project_id AND (token_hash <> :token_hash OR url <> ALL (:urls ::text[]));

-- name: set_quota!
INSERT INTO lamplighter.github_quota AS q (token_hash, resource, "limit", remaining, reset_at, seen_at)
VALUES (:token_hash, :resource, :limit, :remaining, :reset_at, :now)
ON CONFLICT (token_hash, resource) DO UPDATE
    SET "limit" = excluded."limit", remaining = excluded.remaining, reset_at = excluded.reset_at,
        seen_at = excluded.seen_at;

-- name: forget_old_quota!
DELETE FROM lamplighter.github_quota WHERE reset_at < :before;

-- name: spent_quota
SELECT token_hash, reset_at FROM lamplighter.github_quota
WHERE resource = 'core' AND remaining <= 0 AND reset_at > :now;

-- name: forget_data!
-- All that was read for the project, which has another repository now.
WITH repositories AS (
    UPDATE lamplighter.github_repositories
    SET github_id = NULL, moved_to = NULL, installation_id = NULL, head_sha = NULL,
        data_since = NULL, last_synced_at = NULL, complete = false, cursors = '{}',
        revision = revision + 1
    WHERE project_id = :project_id
), commits AS (DELETE FROM lamplighter.github_commits WHERE project_id = :project_id),
pulls AS (DELETE FROM lamplighter.github_pulls WHERE project_id = :project_id),
issues AS (DELETE FROM lamplighter.github_issues WHERE project_id = :project_id),
reviews AS (DELETE FROM lamplighter.github_reviews WHERE project_id = :project_id),
comments AS (DELETE FROM lamplighter.github_comments WHERE project_id = :project_id),
releases AS (DELETE FROM lamplighter.github_releases WHERE project_id = :project_id),
milestones AS (DELETE FROM lamplighter.github_milestones WHERE project_id = :project_id),
labels AS (DELETE FROM lamplighter.github_labels WHERE project_id = :project_id),
files AS (DELETE FROM lamplighter.github_files WHERE project_id = :project_id)
DELETE FROM lamplighter.github_etags WHERE project_id = :project_id;

-- name: forget_repository!
DELETE FROM lamplighter.github_repositories WHERE project_id = :project_id;

-- name: put_issues$
WITH kept AS (
    INSERT INTO lamplighter.github_issues AS t (
        project_id, number, title, body, state, state_reason, author_login, author_is_bot,
        author_association, created_at, updated_at, closed_at, labels, milestone, comments,
        reactions, html_url
    )
    SELECT :project_id, number, title, body, state, state_reason, author_login, author_is_bot,
        author_association, created_at, updated_at, closed_at, labels, milestone, comments,
        reactions, html_url
    FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        number int, title text, body text, state text, state_reason text, author_login text,
        author_is_bot boolean, author_association text, created_at timestamptz,
        updated_at timestamptz, closed_at timestamptz, labels text[], milestone text, comments int,
        reactions int, html_url text)
    ORDER BY number
    ON CONFLICT (project_id, number) DO UPDATE SET
        title = excluded.title, body = excluded.body, state = excluded.state,
        state_reason = excluded.state_reason, author_login = excluded.author_login,
        author_is_bot = excluded.author_is_bot, author_association = excluded.author_association,
        created_at = excluded.created_at, updated_at = excluded.updated_at,
        closed_at = excluded.closed_at, labels = excluded.labels, milestone = excluded.milestone,
        comments = excluded.comments, reactions = excluded.reactions,
        html_url = excluded.html_url, gone = NULL
    WHERE t.updated_at <= excluded.updated_at
        AND (t.title, t.body, t.state, t.state_reason, t.author_login, t.author_is_bot,
             t.author_association, t.updated_at, t.closed_at, t.labels, t.milestone, t.comments,
             t.reactions, t.html_url, t.gone)
            IS DISTINCT FROM
            (excluded.title, excluded.body, excluded.state, excluded.state_reason,
             excluded.author_login, excluded.author_is_bot, excluded.author_association,
             excluded.updated_at, excluded.closed_at, excluded.labels, excluded.milestone,
             excluded.comments, excluded.reactions, excluded.html_url, NULL)
    RETURNING 1
)
SELECT count(*) FROM kept;

-- name: put_pulls$
-- From a list of issues, branches and commits are not known, and stay as they are.
WITH kept AS (
    INSERT INTO lamplighter.github_pulls AS t (
        project_id, number, title, body, state, draft, author_login, author_is_bot,
        author_association, created_at, updated_at, closed_at, merged_at, merge_sha, base, head,
        head_sha, labels, milestone, html_url
    )
    SELECT :project_id, number, title, body, state, draft, author_login, author_is_bot,
        author_association, created_at, updated_at, closed_at, merged_at, merge_sha, base, head,
        head_sha, labels, milestone, html_url
    FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        number int, title text, body text, state text, draft boolean, author_login text,
        author_is_bot boolean, author_association text, created_at timestamptz,
        updated_at timestamptz, closed_at timestamptz, merged_at timestamptz, merge_sha text,
        base text, head text, head_sha text, labels text[], milestone text, html_url text)
    ORDER BY number
    ON CONFLICT (project_id, number) DO UPDATE SET
        title = excluded.title, body = excluded.body, state = excluded.state,
        draft = excluded.draft, author_login = excluded.author_login,
        author_is_bot = excluded.author_is_bot, author_association = excluded.author_association,
        created_at = excluded.created_at, updated_at = excluded.updated_at,
        closed_at = excluded.closed_at, merged_at = excluded.merged_at,
        merge_sha = coalesce(excluded.merge_sha, t.merge_sha),
        base = coalesce(excluded.base, t.base), head = coalesce(excluded.head, t.head),
        head_sha = coalesce(excluded.head_sha, t.head_sha), labels = excluded.labels,
        milestone = excluded.milestone, html_url = excluded.html_url
    WHERE t.updated_at <= excluded.updated_at
        AND (t.title, t.body, t.state, t.draft, t.author_login, t.author_is_bot,
             t.author_association, t.updated_at, t.closed_at, t.merged_at, t.merge_sha, t.base,
             t.head, t.head_sha, t.labels, t.milestone, t.html_url)
            IS DISTINCT FROM
            (excluded.title, excluded.body, excluded.state, excluded.draft, excluded.author_login,
             excluded.author_is_bot, excluded.author_association, excluded.updated_at,
             excluded.closed_at, excluded.merged_at, coalesce(excluded.merge_sha, t.merge_sha),
             coalesce(excluded.base, t.base), coalesce(excluded.head, t.head),
             coalesce(excluded.head_sha, t.head_sha), excluded.labels, excluded.milestone,
             excluded.html_url)
    RETURNING 1
)
SELECT count(*) FROM kept;

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

-- name: put_comments$
WITH kept AS (
    INSERT INTO lamplighter.github_comments AS t (
        project_id, id, kind, number, author_login, author_is_bot, author_association, created_at,
        updated_at, body
    )
    SELECT :project_id, id, kind, number, author_login, author_is_bot, author_association,
        created_at, updated_at, body
    FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        id bigint, kind text, number int, author_login text, author_is_bot boolean,
        author_association text, created_at timestamptz, updated_at timestamptz, body text)
    ORDER BY kind, id
    ON CONFLICT (project_id, kind, id) DO UPDATE SET
        number = excluded.number, author_login = excluded.author_login,
        author_is_bot = excluded.author_is_bot, author_association = excluded.author_association,
        updated_at = excluded.updated_at, body = excluded.body
    WHERE (t.number, t.author_login, t.author_association, t.updated_at, t.body)
        IS DISTINCT FROM
        (excluded.number, excluded.author_login, excluded.author_association, excluded.updated_at,
         excluded.body)
    RETURNING 1
)
SELECT count(*) FROM kept;

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

-- name: replace_releases$
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        id bigint, tag text, name text, body text, draft boolean, prerelease boolean,
        author_login text, created_at timestamptz, published_at timestamptz, html_url text)
), gone AS (
    DELETE FROM lamplighter.github_releases t
    WHERE t.project_id = :project_id AND :whole
        AND NOT EXISTS (SELECT FROM given g WHERE g.id = t.id)
    RETURNING 1
), kept AS (
    INSERT INTO lamplighter.github_releases AS t
        (project_id, id, tag, name, body, draft, prerelease, author_login, created_at,
         published_at, html_url)
    SELECT :project_id, id, tag, name, body, draft, prerelease, author_login, created_at,
        published_at, html_url
    FROM given ORDER BY id
    ON CONFLICT (project_id, id) DO UPDATE SET
        tag = excluded.tag, name = excluded.name, body = excluded.body, draft = excluded.draft,
        prerelease = excluded.prerelease, author_login = excluded.author_login,
        created_at = excluded.created_at, published_at = excluded.published_at,
        html_url = excluded.html_url
    WHERE t.* IS DISTINCT FROM excluded.*
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept);

-- name: replace_milestones$
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows ::jsonb) AS r (
        number int, title text, description text, state text, created_at timestamptz,
        due_on timestamptz, closed_at timestamptz, open_issues int, closed_issues int,
        html_url text)
), gone AS (
    DELETE FROM lamplighter.github_milestones t
    WHERE t.project_id = :project_id AND :whole
        AND NOT EXISTS (SELECT FROM given g WHERE g.number = t.number)
    RETURNING 1
), kept AS (
    INSERT INTO lamplighter.github_milestones AS t
        (project_id, number, title, description, state, created_at, due_on, closed_at, open_issues,
         closed_issues, html_url)
    SELECT :project_id, number, title, description, state, created_at, due_on, closed_at,
        open_issues, closed_issues, html_url
    FROM given ORDER BY number
    ON CONFLICT (project_id, number) DO UPDATE SET
        title = excluded.title, description = excluded.description, state = excluded.state,
        created_at = excluded.created_at, due_on = excluded.due_on,
        closed_at = excluded.closed_at, open_issues = excluded.open_issues,
        closed_issues = excluded.closed_issues, html_url = excluded.html_url
    WHERE t.* IS DISTINCT FROM excluded.*
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept);

-- name: replace_labels$
WITH given AS (
    SELECT * FROM jsonb_to_recordset(:rows ::jsonb) AS r (name text, color text, description text)
), gone AS (
    DELETE FROM lamplighter.github_labels t
    WHERE t.project_id = :project_id AND :whole
        AND NOT EXISTS (SELECT FROM given g WHERE g.name = t.name)
    RETURNING 1
), kept AS (
    INSERT INTO lamplighter.github_labels AS t (project_id, name, color, description)
    SELECT :project_id, name, color, description FROM given ORDER BY name
    ON CONFLICT (project_id, name) DO UPDATE SET
        color = excluded.color, description = excluded.description
    WHERE t.* IS DISTINCT FROM excluded.*
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept);

-- name: known_files
SELECT path, sha FROM lamplighter.github_files WHERE project_id = :project_id;

-- name: put_file!
INSERT INTO lamplighter.github_files (project_id, path, sha, size, text)
VALUES (:project_id, :path, :sha, :size, :text)
ON CONFLICT (project_id, path) DO UPDATE SET
    sha = excluded.sha, size = excluded.size, text = excluded.text;

-- name: keep_files$
WITH gone AS (
    DELETE FROM lamplighter.github_files
    WHERE project_id = :project_id AND path <> ALL (:paths ::text[])
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: open_numbers
SELECT number, true AS is_issue FROM lamplighter.github_issues
WHERE project_id = :project_id AND state = 'open' AND gone IS NULL
UNION ALL
SELECT number, false FROM lamplighter.github_pulls
WHERE project_id = :project_id AND state = 'open'
ORDER BY number;

-- name: remove_pull!
WITH reviews AS (
    DELETE FROM lamplighter.github_reviews WHERE project_id = :project_id AND pull = :number
)
DELETE FROM lamplighter.github_pulls WHERE project_id = :project_id AND number = :number;

-- name: set_gone!
UPDATE lamplighter.github_issues SET gone = :gone WHERE project_id = :project_id AND number = :number;
