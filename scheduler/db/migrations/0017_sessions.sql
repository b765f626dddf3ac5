-- Sessions of the pages that somebody ended before their time; a session has no row otherwise.
CREATE TABLE lamplighter.ended_sessions (
    id text PRIMARY KEY,
    until timestamptz NOT NULL                            -- from then on the cookie says no itself
);
