-- What sequences remember. No foreign keys: they would put triggers on tables that are not ours.

-- Sequences that were seen active, with steps, at least once.
CREATE TABLE lamplighter.sequences (
    sequence_id uuid PRIMARY KEY,
    first_active_at timestamptz NOT NULL,                 -- enrolments from before are the product's
    active_since timestamptz,                             -- triggers from before do not count; NULL: not active
    trigger_key text NOT NULL,                            -- tells another trigger from the one seen last
    looked_at timestamptz,                                -- triggers before this were looked for
    adopted_at timestamptz                                -- since then the product's own enrolments go on too
);

-- Tags that sequences wait for, once everybody who had them was noted.
CREATE TABLE lamplighter.tags (
    tag text PRIMARY KEY,
    baseline_at timestamptz NOT NULL
);

-- Who has such a tag, and when that was seen; -infinity: had it before anybody looked.
CREATE TABLE lamplighter.tag_holders (
    tag text NOT NULL,
    subscriber_id uuid NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tag, subscriber_id)
);

-- Calls that webhook steps make. The row comes before the call, so that none is lost; one that was
-- cut off is made again under the same id, which the other side gets as the Idempotency-Key.
CREATE TABLE lamplighter.webhook_calls (
    id uuid PRIMARY KEY,
    enrollment_id uuid NOT NULL,
    step_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    done_at timestamptz,                                  -- answered well, or given up
    error text,                                           -- of the last attempt, if it failed
    UNIQUE (enrollment_id, step_id)
);
CREATE INDEX ON lamplighter.webhook_calls (next_attempt_at) WHERE done_at IS NULL;
