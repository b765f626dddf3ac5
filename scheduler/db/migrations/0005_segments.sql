-- Who came into which of the product's segments, and when. No foreign keys: they would put triggers
-- on tables that are not ours.

-- Segments that were computed completely once. Members from before that were simply found there;
-- only who comes in afterwards has joined.
CREATE TABLE lamplighter.segments (
    segment_id uuid PRIMARY KEY,
    baseline_at timestamptz NOT NULL
);

-- Who leaves and comes back has joined twice.
CREATE TABLE lamplighter.segment_joins (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- in order of joining, within one segment
    segment_id uuid NOT NULL,
    subscriber_id uuid NOT NULL,
    joined_at timestamptz NOT NULL
);
CREATE INDEX ON lamplighter.segment_joins (segment_id, joined_at);
CREATE INDEX ON lamplighter.segment_joins USING brin (joined_at) WITH (pages_per_range = 32);
