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
