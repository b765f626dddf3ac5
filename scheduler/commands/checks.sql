-- name: server^
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num') ::int AS number;

-- name: row_security
-- Tables with row level security that this role does not bypass.
SELECT c.relname AS "table"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
WHERE c.relrowsecurity AND pg_catalog.pg_table_is_visible(c.oid)
  AND NOT r.rolsuper AND NOT r.rolbypassrls
  AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
ORDER BY c.relname;
