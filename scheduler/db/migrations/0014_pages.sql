-- What the pages filter by, so that looking for the few failed runs does not read all others.
CREATE INDEX runs_by_status ON lamplighter.runs (status, seq DESC);
CREATE INDEX runs_of_job_by_status ON lamplighter.runs (job, status, seq DESC);

-- Sessions of the pages that somebody ended before their time; a session has no row otherwise.
CREATE TABLE lamplighter.ended_sessions (
    id text PRIMARY KEY,
    until timestamptz NOT NULL                            -- from then on the cookie says no itself
);
