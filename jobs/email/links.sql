-- name: key$
SELECT value FROM lamplighter.keys WHERE name = :name;

-- name: keep_key!
INSERT INTO lamplighter.keys (name, value, created_at) VALUES (:name, :value, :now)
ON CONFLICT (name) DO NOTHING;
