-- What a database holds, so that a test can say that an attack has changed nothing of it.

-- name: tables
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'lamplighter') AND c.relkind IN ('r', 'p')
ORDER BY 1, 2;

-- name: rows^
SELECT count(*) AS rows,
       coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS digest
FROM {schema}.{table} AS t;

-- The shape: tables with their columns, functions, triggers, roles.
-- name: shape$
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
    SELECT format('%s.%s.%s %s %s %s', table_schema, table_name, column_name, data_type,
                  is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema IN ('public', 'lamplighter')
    UNION ALL
    SELECT format('%s.%s %s', n.nspname, p.proname, md5(p.prosrc))
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('public', 'lamplighter')
    UNION ALL
    SELECT format('%s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT format('%s %s %s', rolname, rolsuper, rolcanlogin) FROM pg_roles
) AS lines;
