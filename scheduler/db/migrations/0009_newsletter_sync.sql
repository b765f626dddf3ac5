-- How far the sync with each provider of newsletters is.
CREATE TABLE lamplighter.newsletter_providers (
    provider text PRIMARY KEY,
    audience text NOT NULL,                               -- the list there; another one begins anew
    cursor jsonb,                                         -- where its changes are read from
    full_begun_at timestamptz,                            -- a full reconcile that is not through yet
    full_at timestamptz                                   -- when the last one that is through began
);

-- What is known of an address at a provider, and what it was last sent.
CREATE TABLE lamplighter.newsletter_contacts (
    provider text NOT NULL,
    email text NOT NULL CHECK (email = lower(email)),
    remote_id text,
    remote_status text NOT NULL CHECK (remote_status IN (
        'active', 'pending', 'absent', 'refused', 'deleted',
        'unsubscribed', 'bounced', 'complained', 'cleaned')),
    subscriber_id uuid,                                   -- whose content was sent
    pushed uuid,                                          -- md5 of that content
    groups text[] NOT NULL DEFAULT '{}',                  -- groups, segments or lists it was put into
    refused uuid,                                         -- md5 of content that it did not take
    error text,                                           -- with which words
    changed_at timestamptz NOT NULL,                      -- since when remote_status is what it is
    seen_at timestamptz NOT NULL,                         -- when it was last known to be there
    PRIMARY KEY (provider, email)
);

-- Deliveries of webhooks that have been taken in: providers send them again and again.
CREATE TABLE lamplighter.newsletter_deliveries (
    provider text NOT NULL,
    event_id text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX ON lamplighter.newsletter_deliveries (received_at);
