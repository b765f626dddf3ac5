-- name: latest
-- Those in force, newest first, by their index.
SELECT email, reason, source, detail, created_at, lifted_at, lifted_by
FROM lamplighter.suppressions
WHERE lifted_at IS NULL
    AND (created_at, email)
        < (coalesce(:at ::timestamptz, 'infinity'), coalesce(:email ::text, ''))
ORDER BY created_at DESC, email DESC
LIMIT :most ::int;

-- name: from_address
-- From an address on, those that were lifted too; whoever asks looks for how they begin.
SELECT email, reason, source, detail, created_at, lifted_at, lifted_by
FROM lamplighter.suppressions
WHERE email COLLATE "C" >= :begin ::text
ORDER BY email COLLATE "C"
LIMIT :most ::int;

-- name: in_force$
SELECT count(*) FROM (
    SELECT FROM lamplighter.suppressions WHERE lifted_at IS NULL
    ORDER BY created_at, email LIMIT :cap ::int + 1) AS bounded;
