-- Up to where jobs that work through time have come.

CREATE TABLE lamplighter.watermarks (
    job text NOT NULL,                                    -- the job, whichever entries run it
    key text NOT NULL DEFAULT '',                         -- what of the job's work: a slug, a table
    at timestamptz NOT NULL,                              -- everything before this is done
    PRIMARY KEY (job, key)
);

-- Periods of the product's events that were rolled up. The number of events tells a period whose
-- events came late (more now) from one whose events have begun to be deleted (fewer now).
CREATE TABLE lamplighter.rollups (
    rollup text NOT NULL CHECK (rollup IN ('hourly', 'daily')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    events bigint NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (rollup, starts_at)
);
