-- Who got which step of a sequence: the guard that nobody gets it twice. It outlives the queue's row.
CREATE TABLE lamplighter.outbox (
    queue_id uuid PRIMARY KEY,                            -- the message's row in email_queue
    enrollment_id uuid NOT NULL,
    step_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (enrollment_id, step_id)
);

-- Addresses that nobody here writes to any more. A row is kept for ever; lifting it is a deed of a
-- person, and is kept too.
CREATE TABLE lamplighter.suppressions (
    email text PRIMARY KEY CHECK (email = lower(email)),
    reason text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'cleaned')),
    source text NOT NULL,                                 -- who said so: smtp, link, brevo, ...
    detail text,                                          -- in their words, bounded
    created_at timestamptz NOT NULL,
    lifted_at timestamptz,
    lifted_by text
);
