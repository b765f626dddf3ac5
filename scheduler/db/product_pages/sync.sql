-- name: log
-- The latest syncs of all providers, by the index on started_at.
SELECT provider ::text AS provider, sync_type ::text AS sync_type, direction ::text AS direction,
    status ::text AS status, coalesce(records_processed, 0) AS processed,
    coalesce(records_created, 0) AS created, coalesce(records_updated, 0) AS updated,
    coalesce(records_failed, 0) AS failed,
    CASE WHEN octet_length(errors ::text) <= :most_bytes ::int THEN errors ::text END AS errors,
    extract(epoch FROM started_at) ::float8 AS started_at,
    extract(epoch FROM completed_at) ::float8 AS completed_at
FROM newsletter_sync_log l
WHERE l.started_at IS NOT NULL
ORDER BY l.started_at DESC
LIMIT :most ::int;

-- name: providers
-- What is known of each, with its contacts counted as far as it is worth.
SELECT p.provider, p.full_begun_at, p.full_at, p.cursor IS NOT NULL AS has_place,
    (SELECT count(*) FROM (
        SELECT FROM lamplighter.newsletter_contacts c
        WHERE c.provider = p.provider
        -- In the order of the key, so that it is the key that is read.
        ORDER BY c.provider, c.email LIMIT :cap ::int + 1) AS bounded) AS contacts
FROM lamplighter.newsletter_providers p
ORDER BY p.provider
LIMIT 20;

-- name: deliveries
-- When the last webhook of each came, among the latest of all.
SELECT provider, max(received_at) AS at
FROM (
    SELECT provider, received_at FROM lamplighter.newsletter_deliveries
    ORDER BY received_at DESC LIMIT :most ::int
) AS latest
GROUP BY provider;
