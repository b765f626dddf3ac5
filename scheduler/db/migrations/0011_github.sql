-- What was fetched from GitHub: metrics and agents read only from here. Texts are bounded when they
-- are written; what is NULL is not known. Logins are NULL where the account is gone.

-- One row a project: its repository and how far it has been read.
CREATE TABLE lamplighter.github_repositories (
    project_id uuid PRIMARY KEY,
    full_name text NOT NULL,                              -- owner/name, as the project names it
    github_id bigint,
    moved_to text,                                        -- owner/name where GitHub has it now
    installation_id bigint,                               -- of the GitHub App, where that reads it
    description text,
    html_url text,
    default_branch text,
    head_sha text,                                        -- commits are whole from here ...
    data_since timestamptz,                               -- ... back to here, as are all other lists
    open_issues int,                                      -- with pull requests, as GitHub counts them
    error text,                                           -- why the last sync ended, where it failed
    error_at timestamptz,
    last_synced_at timestamptz,                           -- the last sync that did not fail
    complete boolean NOT NULL DEFAULT false,              -- false: the next sync goes on with the rest
    cursors jsonb NOT NULL DEFAULT '{}',                  -- where each list goes on
    revision bigint NOT NULL DEFAULT 0,                   -- grows whenever a row below has changed
    is_sample boolean NOT NULL DEFAULT false
);

-- What the default branch consists of. Lists of commits carry neither lines nor files.
CREATE TABLE lamplighter.github_commits (
    project_id uuid NOT NULL,
    sha text NOT NULL,
    parents text[] NOT NULL,
    author_login text,
    author_name text,                                     -- as git has it, where there is no account
    author_is_bot boolean NOT NULL,
    authored_at timestamptz NOT NULL,
    committed_at timestamptz NOT NULL,
    message text NOT NULL,
    pull int,                                             -- the pull request that it came with
    additions int,                                        -- of a merge, those of its pull request
    deletions int,
    files text[],
    walk int NOT NULL DEFAULT 0,                          -- which reading of the branch brought it
    PRIMARY KEY (project_id, sha)
);
CREATE INDEX github_commits_time ON lamplighter.github_commits (project_id, committed_at);

CREATE TABLE lamplighter.github_pulls (
    project_id uuid NOT NULL,
    number int NOT NULL,
    title text NOT NULL,
    body text,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    draft boolean NOT NULL,
    author_login text,
    author_is_bot boolean NOT NULL,
    author_association text,                              -- OWNER, MEMBER, CONTRIBUTOR, NONE, ...
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ready_at timestamptz,                                 -- when it last ceased to be a draft
    closed_at timestamptz,
    merged_at timestamptz,
    merged_by text,
    merge_sha text,                                       -- the commit that it became, once merged
    base text,
    head text,
    head_sha text,
    additions int,
    deletions int,
    changed_files int,
    files text[],
    labels text[] NOT NULL,
    milestone text,
    html_url text NOT NULL,
    detailed_for timestamptz,                             -- the updated_at that reviews were read for
    files_for text,                                       -- the head_sha that files were read for
    PRIMARY KEY (project_id, number)
);
CREATE INDEX github_pulls_updated ON lamplighter.github_pulls (project_id, updated_at);
CREATE INDEX github_pulls_waiting ON lamplighter.github_pulls (project_id, updated_at)
    WHERE detailed_for IS DISTINCT FROM updated_at;

CREATE TABLE lamplighter.github_issues (
    project_id uuid NOT NULL,
    number int NOT NULL,
    title text NOT NULL,
    body text,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    state_reason text,                                    -- completed, not_planned, reopened, ...
    author_login text,
    author_is_bot boolean NOT NULL,
    author_association text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    labels text[] NOT NULL,
    milestone text,
    comments int NOT NULL,
    reactions int NOT NULL,
    html_url text NOT NULL,
    gone text CHECK (gone IN ('deleted', 'transferred')), -- no longer in the repository
    PRIMARY KEY (project_id, number)
);
CREATE INDEX github_issues_updated ON lamplighter.github_issues (project_id, updated_at);

CREATE TABLE lamplighter.github_reviews (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    pull int NOT NULL,
    author_login text,
    author_is_bot boolean NOT NULL,
    author_association text,
    state text NOT NULL,                                  -- approved, changes_requested, commented, dismissed
    submitted_at timestamptz NOT NULL,
    body text,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX github_reviews_pull ON lamplighter.github_reviews (project_id, pull);

-- Of issues and pull requests.
CREATE TABLE lamplighter.github_comments (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('conversation', 'review')),
    number int NOT NULL,                                  -- the issue's or pull request's
    author_login text,
    author_is_bot boolean NOT NULL,
    author_association text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (project_id, kind, id)
);
CREATE INDEX github_comments_number ON lamplighter.github_comments (project_id, number, created_at);

CREATE TABLE lamplighter.github_releases (
    project_id uuid NOT NULL,
    id bigint NOT NULL,
    tag text NOT NULL,
    name text,
    body text,
    draft boolean NOT NULL,
    prerelease boolean NOT NULL,
    author_login text,
    created_at timestamptz NOT NULL,
    published_at timestamptz,
    html_url text NOT NULL,
    PRIMARY KEY (project_id, id)
);

CREATE TABLE lamplighter.github_milestones (
    project_id uuid NOT NULL,
    number int NOT NULL,
    title text NOT NULL,
    description text,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    created_at timestamptz NOT NULL,
    due_on timestamptz,
    closed_at timestamptz,
    open_issues int NOT NULL,
    closed_issues int NOT NULL,
    html_url text NOT NULL,
    PRIMARY KEY (project_id, number)
);

CREATE TABLE lamplighter.github_labels (
    project_id uuid NOT NULL,
    name text NOT NULL,
    color text NOT NULL,
    description text,
    PRIMARY KEY (project_id, name)
);

-- README and what is under docs/, as the head has them.
CREATE TABLE lamplighter.github_files (
    project_id uuid NOT NULL,
    path text NOT NULL,
    sha text NOT NULL,
    size int NOT NULL,
    text text,                                            -- NULL: too large, or no text
    PRIMARY KEY (project_id, path)
);

-- Answers that a project's rows hold already: GitHub then says 304, which costs no quota. Another
-- token gets other tags.
CREATE TABLE lamplighter.github_etags (
    project_id uuid NOT NULL,
    token_hash text NOT NULL,
    url text NOT NULL,
    etag text NOT NULL,
    PRIMARY KEY (project_id, token_hash, url)
);

-- What is left of each token's requests.
CREATE TABLE lamplighter.github_quota (
    token_hash text NOT NULL,
    resource text NOT NULL,                               -- core, search, ...
    "limit" int NOT NULL,
    remaining int NOT NULL,
    reset_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (token_hash, resource)
);
