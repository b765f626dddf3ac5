-- name: set_quota!
INSERT INTO lamplighter.github_quota AS q (token_hash, resource, "limit", remaining, reset_at, seen_at)
VALUES (:token_hash, :resource, :limit, :remaining, :reset_at, :now)
ON CONFLICT (token_hash, resource) DO UPDATE
    SET "limit" = excluded."limit", remaining = excluded.remaining, reset_at = excluded.reset_at,
        seen_at = excluded.seen_at;

-- name: forget_old_quota!
DELETE FROM lamplighter.github_quota WHERE reset_at < :before;

-- name: spent_quota
SELECT token_hash, reset_at FROM lamplighter.github_quota
WHERE resource = 'core' AND remaining <= 0 AND reset_at > :now;
