-- name: lock_laying()#
-- Held to the end of the transaction, so that of two who lay at once one waits and then sees.
SELECT pg_advisory_xact_lock(7102004);

-- name: use_public()#
SET LOCAL search_path TO public;

-- name: is_laid()$
SELECT to_regclass('public.app_users') IS NOT NULL;
