-- name: visible_columns
SELECT c.relname AS "table", array_agg(a.attname ::text) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace
                             WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast'))
  AND pg_catalog.pg_table_is_visible(c.oid)
GROUP BY c.relname;
