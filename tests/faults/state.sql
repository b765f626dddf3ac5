-- name: tables
-- Every table with rows of its own, and its columns that PostgreSQL counts up.
SELECT n.nspname AS schema, c.relname AS name,
       coalesce(array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attidentity <> ''), '{}')
           AS counted
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname IN ('public', 'lamplighter')
GROUP BY n.nspname, c.relname
ORDER BY 1, 2;
