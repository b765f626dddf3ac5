-- name: of_suggestions
SELECT agent, count(*) AS suggested, count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE accepted AND NOT (decided_by = ANY (:modes ::text[]))) AS accepted,
    count(*) FILTER (WHERE accepted AND decided_by = ANY (:modes ::text[])) AS automatic,
    count(*) FILTER (WHERE status = 'rejected') AS rejected,
    count(*) FILTER (WHERE status = 'expired') AS ignored,
    count(*) FILTER (WHERE status = 'published') AS published
FROM lamplighter.suggestions s
CROSS JOIN LATERAL (SELECT status IN ('approved', 'published', 'publish_failed') AS accepted) AS a
WHERE created_at >= :since AND NOT is_sample
GROUP BY agent;

-- name: of_looks
SELECT e.agent, count(*) FILTER (WHERE e.status <> 'skipped') AS looks,
    count(*) FILTER (WHERE e.status = 'skipped') AS skipped,
    count(*) FILTER (WHERE e.status = 'silent') AS silent,
    count(*) FILTER (WHERE e.status = 'failed') AS failed,
    coalesce(sum(e.calls), 0)::bigint AS calls, coalesce(sum(e.tokens_in), 0)::bigint AS tokens_in,
    coalesce(sum(e.tokens_out), 0)::bigint AS tokens_out, coalesce(sum(e.cost_usd), 0) AS cost_usd
FROM lamplighter.agent_units u JOIN lamplighter.agent_executions e ON e.unit_id = u.id
WHERE u.started_at >= :since
GROUP BY e.agent;
