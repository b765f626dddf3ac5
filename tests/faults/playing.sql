-- name: ended^
-- The run of that fire, once it has ended.
SELECT status, error_message, attempt FROM lamplighter.runs
WHERE job = :job AND scheduled_for = :at AND trigger = 'schedule'
  AND status NOT IN ('queued', 'running', 'retrying');

-- name: end_others$
-- How many others were connected to this database.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
