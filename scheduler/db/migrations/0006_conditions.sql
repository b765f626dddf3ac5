-- What keeps a part of the work from being done for all replicas until somebody mends it: health
-- names it.

CREATE TABLE lamplighter.conditions (
    name text PRIMARY KEY,
    reason text NOT NULL,
    since timestamptz NOT NULL
);
