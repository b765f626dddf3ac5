-- name: limit_lock_wait$
-- How long a statement of this transaction waits for a lock.
SELECT set_config('lock_timeout', :milliseconds ::int ::text, true);
