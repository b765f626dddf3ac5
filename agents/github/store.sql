-- name: repository^
SELECT * FROM lamplighter.github_repositories WHERE project_id = :project_id;

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

-- name: forget_other_etags!
-- Those of tokens that are no longer used, and of pages that are no longer asked for.
DELETE FROM lamplighter.github_etags
WHERE project_id = :project_id AND (token_hash <> :token_hash OR url <> ALL (:urls ::text[]));

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
