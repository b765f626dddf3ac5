-- name: column_types
-- A domain counts as the type below it.
SELECT a.attname ::text AS name, coalesce(base.typname, t.typname) ::text AS type,
    coalesce(base.typtype, t.typtype) = 'e' AS is_enum
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type base ON base.oid = t.typbasetype
WHERE a.attrelid = to_regclass(quote_ident(:table ::text))
    AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname = ANY (:allowed ::text[])
ORDER BY a.attnum;
