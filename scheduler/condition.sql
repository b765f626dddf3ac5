-- name: set_condition!
INSERT INTO lamplighter.conditions (name, reason, since)
VALUES (:name, :reason, :now)
ON CONFLICT (name) DO UPDATE SET reason = excluded.reason;

-- name: clear_condition!
DELETE FROM lamplighter.conditions WHERE name = :name;

-- name: end_condition!
DELETE FROM lamplighter.conditions
WHERE name = :name AND (reason <> :unless OR since < :before);

-- name: conditions
SELECT name, reason, since FROM lamplighter.conditions ORDER BY since, name;
