-- Who is sending which message now. A row whose run's attempt has ended is a message that a crash
-- left half done: it is taken again.
CREATE TABLE lamplighter.sending (
    queue_id uuid PRIMARY KEY,                            -- the message's row in email_queue
    run_id uuid NOT NULL,
    attempt int NOT NULL,                                 -- of the run, not of the message
    claimed_at timestamptz NOT NULL
);

-- Secrets that nobody was asked for: made once, and kept, since what they signed is out there.
CREATE TABLE lamplighter.keys (
    name text PRIMARY KEY,
    value text NOT NULL,
    created_at timestamptz NOT NULL
);

-- When lamplighter came to this database. What the product had queued to be sent before is not ours
-- to send.
INSERT INTO lamplighter.watermarks (job, key, at)
VALUES ('process-email-queue', 'came', now())
ON CONFLICT DO NOTHING;
