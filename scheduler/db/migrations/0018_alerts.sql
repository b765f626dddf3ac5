-- What people are told of what goes wrong. All replicas decide and send from here, one at a time, so
-- that nothing is lost or said twice. Times are the daemon's, except those of deliveries: these are
-- this server's, since replicas compare them.

-- Up to when runs have been looked at; its row is also what a look locks.
CREATE TABLE lamplighter.alert_looks (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    looked_at timestamptz NOT NULL
);

-- Runs that were looked at, for as long as a look may meet them again.
CREATE TABLE lamplighter.alert_seen (
    run_id uuid PRIMARY KEY,
    finished_at timestamptz NOT NULL
);

-- What goes on. A row goes when it is over.
CREATE TABLE lamplighter.alert_incidents (
    key text PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    job text,
    opened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    count int NOT NULL,
    words text NOT NULL,
    run_id uuid,
    told_at timestamptz,
    reminded_at timestamptz,
    is_baseline boolean NOT NULL                          -- it went on when alerts were turned on
);

CREATE TABLE lamplighter.alert_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    is_good boolean NOT NULL
);
CREATE INDEX alert_messages_at ON lamplighter.alert_messages (at);

-- One thing to be told; it waits for its message.
CREATE TABLE lamplighter.alert_notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    job text,
    since timestamptz NOT NULL,
    was text,                                             -- of `recovered`: what is over
    again boolean NOT NULL,                               -- a reminder
    count int NOT NULL,
    words text NOT NULL,
    run_id uuid,
    not_for text,                                         -- the channel that it is about
    message_id bigint REFERENCES lamplighter.alert_messages (id) ON DELETE CASCADE
);
CREATE INDEX alert_notices_waiting ON lamplighter.alert_notices (id) WHERE message_id IS NULL;
CREATE INDEX alert_notices_message ON lamplighter.alert_notices (message_id);

-- A message on its way to one channel, which is named by its number and scheme only.
CREATE TABLE lamplighter.alert_deliveries (
    message_id bigint NOT NULL REFERENCES lamplighter.alert_messages (id) ON DELETE CASCADE,
    channel text NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_until timestamptz,
    sent_at timestamptz,
    given_up_at timestamptz,
    PRIMARY KEY (message_id, channel)
);
CREATE INDEX alert_deliveries_open ON lamplighter.alert_deliveries (channel, message_id)
    WHERE sent_at IS NULL AND given_up_at IS NULL;

CREATE TABLE lamplighter.alert_channels (
    channel text PRIMARY KEY,
    tried_at timestamptz NOT NULL,
    failing_since timestamptz,
    reason text
);
