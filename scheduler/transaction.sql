-- name: limit_lock_wait$
SELECT set_config('lock_timeout', :milliseconds ::int ::text, true);

-- name: give_memory^
SELECT set_config('jit', 'off', true), set_config(
    'work_mem',
    greatest(:megabytes ::bigint << 10, pg_size_bytes(current_setting('work_mem')) >> 10) || 'kB',
    true
);
