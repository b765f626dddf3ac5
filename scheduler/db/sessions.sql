-- name: end!
-- Rows of sessions that would be over by now are of no more use.
WITH forgotten AS (DELETE FROM lamplighter.ended_sessions WHERE until < :now)
INSERT INTO lamplighter.ended_sessions (id, until) VALUES (:id, :until) ON CONFLICT DO NOTHING;

-- name: is_ended$
SELECT EXISTS (SELECT FROM lamplighter.ended_sessions WHERE id = :id);
