-- What the agents looked at, said and cost, and what people made of it. Keyed by the product's
-- project, without foreign keys: its tables are not ours.

-- What a project's people have set differently from the schedule file, by agent.
CREATE TABLE lamplighter.agent_settings (
    project_id uuid NOT NULL,
    agent text NOT NULL,
    settings jsonb NOT NULL,                              -- only what differs
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (project_id, agent)
);

-- When each agent last looked at a project: the batch's time, which says when it is due again.
CREATE TABLE lamplighter.agent_looks (
    project_id uuid NOT NULL,
    agent text NOT NULL,
    looked_for timestamptz NOT NULL,
    PRIMARY KEY (project_id, agent)
);

-- What each agent has read, and in which state: the same again is nothing new.
CREATE TABLE lamplighter.agent_read (
    project_id uuid NOT NULL,
    agent text NOT NULL,
    ref text NOT NULL,                                    -- pull:12, issue:7, release:v1.2, file:README.md
    version text NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, agent, ref)
);

-- One project in one batch (or one call for it): the unit that fails, and is tried again, alone.
CREATE TABLE lamplighter.agent_units (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scheduled_for timestamptz NOT NULL,                   -- the batch's
    run_id uuid NOT NULL,                                 -- the run that works, or worked, on it
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    phase text NOT NULL CHECK (phase IN ('analyse', 'decide', 'execute', 'verify', 'complete')),
    attempts int NOT NULL,
    error text,
    next_attempt_at timestamptz,                          -- failed: not before
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    UNIQUE (project_id, scheduled_for)
);
CREATE UNIQUE INDEX agent_units_one_at_work ON lamplighter.agent_units (project_id)
    WHERE status = 'running';
CREATE INDEX agent_units_failed ON lamplighter.agent_units (scheduled_for) WHERE status = 'failed';
CREATE INDEX agent_units_time ON lamplighter.agent_units (started_at);

-- What each agent made of a unit. `skipped` cost nothing; `silent` is a success: nothing to say.
CREATE TABLE lamplighter.agent_executions (
    unit_id uuid NOT NULL REFERENCES lamplighter.agent_units ON DELETE CASCADE,
    agent text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'skipped', 'silent', 'suggested', 'failed')),
    reason text,
    scores jsonb,                                         -- relevance, actionability, freshness, value
    items int NOT NULL DEFAULT 0,                         -- shown to the model
    rejected jsonb NOT NULL DEFAULT '[]',                 -- proposals that were not kept, and why
    suggestions int NOT NULL DEFAULT 0,
    model text,
    calls int NOT NULL DEFAULT 0,
    tokens_in bigint NOT NULL DEFAULT 0,
    tokens_out bigint NOT NULL DEFAULT 0,
    cost_usd numeric(14, 6) NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (unit_id, agent)
);

-- What the model has cost. A request's dearest possible cost is added before it leaves, and what it
-- really cost takes its place: a crash between counts too much, never too little.
CREATE TABLE lamplighter.model_spending (
    day date NOT NULL,                                    -- UTC
    project_id uuid NOT NULL,                             -- all zeros: all projects together
    calls bigint NOT NULL,
    tokens_in bigint NOT NULL,
    tokens_out bigint NOT NULL,
    cost_usd numeric(14, 6) NOT NULL,
    PRIMARY KEY (day, project_id)
);

CREATE TABLE lamplighter.suggestions (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,       -- in the order in which they came to be
    project_id uuid NOT NULL,
    agent text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL CHECK (status IN
        ('pending', 'approved', 'rejected', 'expired', 'published', 'publish_failed')),
    title text NOT NULL,
    body text NOT NULL,                                   -- Markdown, as it will be published
    evidence jsonb NOT NULL,                              -- [{ref, title, url, version, author, association}]
    evidence_key text NOT NULL,                           -- the refs, sorted
    evidence_hash text NOT NULL,                          -- the refs with their versions
    scores jsonb NOT NULL,
    confidence double precision NOT NULL,
    action jsonb NOT NULL,                                -- exactly what publishing does
    shown_hash text NOT NULL,                             -- of title, body and action: what is approved
    title_trigrams text[] NOT NULL,                       -- of the normalised text, to find the same again
    body_trigrams text[] NOT NULL,
    unit_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,                      -- pending until then
    approved_hash text,                                   -- what an approval that is not used yet is for
    approved_at timestamptz,
    decided_at timestamptz,
    decided_by text,
    decided_from text,
    decision_reason text,
    published_at timestamptz,
    published_url text,
    publish_error text,
    is_sample boolean NOT NULL DEFAULT false
);
-- Lists, newest first.
CREATE INDEX suggestions_project ON lamplighter.suggestions (project_id, seq);
CREATE INDEX suggestions_agent ON lamplighter.suggestions (agent, seq);
CREATE INDEX suggestions_status ON lamplighter.suggestions (status, seq);
CREATE INDEX suggestions_time ON lamplighter.suggestions (created_at);
-- The same again: what is recent or open, and what was rejected on the same evidence, however old.
CREATE INDEX suggestions_recent ON lamplighter.suggestions (project_id, created_at);
CREATE INDEX suggestions_open ON lamplighter.suggestions (project_id)
    WHERE status IN ('pending', 'approved', 'publish_failed');
CREATE INDEX suggestions_rejected ON lamplighter.suggestions USING gin (evidence jsonb_path_ops)
    WHERE status = 'rejected';
CREATE INDEX suggestions_unit ON lamplighter.suggestions (unit_id);
-- What time makes of them.
CREATE INDEX suggestions_pending ON lamplighter.suggestions (expires_at) WHERE status = 'pending';
CREATE INDEX suggestions_approved ON lamplighter.suggestions (approved_at)
    WHERE approved_hash IS NOT NULL;

-- What happened to each, in order.
CREATE TABLE lamplighter.suggestion_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    suggestion_id uuid NOT NULL REFERENCES lamplighter.suggestions ON DELETE CASCADE,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN (
        'created', 'held', 'edited', 'approved', 'rejected', 'expired', 'lapsed', 'publishing',
        'published', 'publish_failed', 'returned')),
    by text NOT NULL,                                     -- admin, cli, the agent's slug, lamplighter
    source text,                                          -- the address
    reason text,
    detail jsonb
);
CREATE INDEX suggestion_events_of ON lamplighter.suggestion_events (suggestion_id, id);

-- The outbox of what is written to GitHub or the product: one row a suggestion, made together with
-- the use of its approval. The marker stands hidden in the text, so that what a crash has left open
-- can be looked up instead of being sent again.
CREATE TABLE lamplighter.publications (
    suggestion_id uuid PRIMARY KEY REFERENCES lamplighter.suggestions ON DELETE CASCADE,
    marker uuid NOT NULL UNIQUE,                          -- stays the same, however often it is tried
    begun_at timestamptz NOT NULL,
    sent_at timestamptz,                                  -- just before the request left; it may be there
    done_at timestamptz,
    run_id uuid NOT NULL,
    by_itself boolean NOT NULL                            -- auto_publish: counts against the daily cap
);
CREATE INDEX publications_open ON lamplighter.publications (begun_at) WHERE done_at IS NULL;
CREATE INDEX publications_by_itself ON lamplighter.publications (begun_at) WHERE by_itself;

-- What is switched off by hand, at once and for all processes.
CREATE TABLE lamplighter.agent_switches (
    name text PRIMARY KEY CHECK (name IN ('auto_publish')),
    off_since timestamptz NOT NULL,
    by text NOT NULL,
    reason text
);
