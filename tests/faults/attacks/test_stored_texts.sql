-- Every place where the database keeps text, and how it gets another.

-- name: no_triggers!
SET session_replication_role = replica;

-- name: begin_chance$
SELECT setseed(0.5);

-- name: text_columns
SELECT n.nspname AS schema, c.relname AS table, a.attname AS column,
    CASE t.typname WHEN 'jsonb' THEN 'jsonb' WHEN '_text' THEN '_text' ELSE 'text' END AS type
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE n.nspname IN ('public', 'lamplighter') AND c.relkind IN ('r', 'p')
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND t.typname IN ('text', 'varchar', 'bpchar', 'jsonb', '_text')
ORDER BY 1, 2, 3;

-- Some of the rows, so that others still are what pages look for.
-- name: put_text!
UPDATE {schema}.{table} SET {column} = :text WHERE random() < 0.6;

-- name: put_json!
UPDATE {schema}.{table}
SET {column} = CASE jsonb_typeof({column})
    WHEN 'object' THEN (
        SELECT coalesce(jsonb_object_agg(key, CASE WHEN jsonb_typeof(value) = 'string'
            THEN to_jsonb(:text::text) ELSE value END), jsonb_build_object()) || jsonb_build_object(:text::text, :text::text)
        FROM jsonb_each({column}))
    WHEN 'array' THEN {column} || to_jsonb(:text::text)
    ELSE to_jsonb(:text::text) END
WHERE random() < 0.6;

-- name: put_list!
UPDATE {schema}.{table} SET {column} = ARRAY[:text::text]
WHERE random() < 0.6;
