-- The record of what ran: one row a run, one row an attempt, the log lines of both.

CREATE TABLE lamplighter.runs (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,       -- order of creation; the history's cursor
    job text NOT NULL,                                    -- the schedule entry's name
    job_type text NOT NULL,                               -- which job's code it runs
    trigger text NOT NULL
        CHECK (trigger IN ('schedule', 'catch_up', 'http', 'admin', 'cli', 'rescue')),
    status text NOT NULL
        CHECK (status IN ('queued', 'running', 'retrying', 'succeeded', 'skipped', 'failed',
                          'timed_out', 'cancelled', 'abandoned', 'missed')),
    scheduled_for timestamptz NOT NULL,
    overlap_key text NOT NULL,
    params jsonb NOT NULL,
    requested_by text,
    reason text,
    created_at timestamptz NOT NULL,                      -- by the daemon's clock, as the next two
    started_at timestamptz,
    finished_at timestamptz,
    attempt int NOT NULL DEFAULT 0,
    max_attempts int NOT NULL CHECK (max_attempts >= 1),
    next_attempt_at timestamptz,                          -- not claimed before
    next_cause text NOT NULL DEFAULT 'first' CHECK (next_cause IN ('first', 'retry', 'rescue')),
    replica text,
    progress_done bigint,
    progress_total bigint,
    data jsonb,
    error_type text,
    error_message text,
    cancel_requested_at timestamptz
) WITH (fillfactor = 80);

-- A fire of the clock happens once, whoever sees it first.
CREATE UNIQUE INDEX runs_fire ON lamplighter.runs (job, scheduled_for)
    WHERE trigger IN ('schedule', 'catch_up');
-- One active run a key.
CREATE UNIQUE INDEX runs_active ON lamplighter.runs (overlap_key)
    WHERE status IN ('running', 'retrying');
CREATE INDEX runs_open ON lamplighter.runs (status, scheduled_for)
    WHERE status IN ('queued', 'running', 'retrying');
CREATE INDEX runs_history ON lamplighter.runs (job, seq DESC);
CREATE INDEX runs_succeeded ON lamplighter.runs (job, seq DESC)
    WHERE status = 'succeeded' OR (status = 'skipped' AND attempt > 0);
CREATE INDEX runs_finished ON lamplighter.runs (finished_at);

CREATE TABLE lamplighter.attempts (
    run_id uuid NOT NULL REFERENCES lamplighter.runs (id) ON DELETE CASCADE,
    attempt int NOT NULL,
    cause text NOT NULL CHECK (cause IN ('first', 'retry', 'rescue')),
    replica text NOT NULL,
    status text NOT NULL
        CHECK (status IN ('running', 'succeeded', 'skipped', 'failed', 'timed_out', 'cancelled',
                          'abandoned', 'retry_later', 'interrupted')),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    heartbeat_at timestamptz NOT NULL,                    -- by the database's clock only
    error_type text,
    error_message text,
    PRIMARY KEY (run_id, attempt)
) WITH (fillfactor = 80);
CREATE INDEX attempts_running ON lamplighter.attempts (heartbeat_at) WHERE status = 'running';

CREATE TABLE lamplighter.run_logs (
    run_id uuid NOT NULL REFERENCES lamplighter.runs (id) ON DELETE CASCADE,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    attempt int NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL,
    event text NOT NULL,
    fields jsonb NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- What is remembered of a schedule entry: up to when its fires are accounted for, and its pause.
CREATE TABLE lamplighter.entries (
    job text PRIMARY KEY,
    fingerprint text NOT NULL,                            -- expression and zone; a new one begins now
    watermark timestamptz NOT NULL,
    begun_at timestamptz NOT NULL,                        -- a success is expected since then
    paused_at timestamptz,
    paused_until timestamptz,
    paused_by text,
    paused_reason text
);

CREATE TABLE lamplighter.activity (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    source text,
    action text NOT NULL,
    target text,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE lamplighter.idempotency_keys (
    key text PRIMARY KEY,
    arguments_hash text NOT NULL,
    run_id uuid NOT NULL REFERENCES lamplighter.runs (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_created ON lamplighter.idempotency_keys (created_at);
