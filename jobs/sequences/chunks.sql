-- name: limit_lock_wait$
-- How long a chunk waits for rows that others hold: an account that a message refers to, say.
SELECT set_config('lock_timeout', :milliseconds ::int ::text, true);
