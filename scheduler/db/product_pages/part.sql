-- name: only_look^
-- For this transaction: one part of a page neither writes nor keeps the others waiting.
SELECT set_config('transaction_read_only', 'on', true),
    set_config('statement_timeout', :milliseconds ::int ::text, true),
    set_config('lock_timeout', (:milliseconds ::int / 4) ::text, true);
