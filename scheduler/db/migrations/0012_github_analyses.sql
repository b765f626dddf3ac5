-- What was said of a project's repository, so that the same rows are not analysed twice.
CREATE TABLE lamplighter.github_analyses (
    project_id uuid NOT NULL,
    data_hash text NOT NULL,                              -- of the rows, the period, and how both are read
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    data jsonb NOT NULL,                                  -- as the route answers it
    analysed_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, data_hash)
);
CREATE INDEX github_analyses_latest ON lamplighter.github_analyses (project_id, analysed_at DESC);
