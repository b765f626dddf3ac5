-- name: record!
INSERT INTO lamplighter.activity (at, who, source, action, target, reason, detail)
VALUES (:at, :who, :source, :action, :target, :reason, :detail);

-- name: recent
SELECT id, at, who, source, action, target, reason, detail FROM lamplighter.activity
WHERE (:before ::bigint IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :most;
