-- What metrics say of all processes together. Each query reads at most what its LIMIT allows, however
-- long the history is.

-- name: open_runs
-- Runs that have not ended; those whose time to begin has come wait in the queue.
SELECT status, count(*) AS runs,
       count(*) FILTER (WHERE status <> 'running' AND ready_at <= :now) AS waiting,
       extract(epoch FROM :now - min(ready_at) FILTER (
           WHERE status <> 'running' AND ready_at <= :now)) ::float8 AS oldest
FROM (SELECT status, coalesce(next_attempt_at, created_at) AS ready_at
      FROM lamplighter.runs
      WHERE status IN ('queued', 'running', 'retrying') LIMIT :most) AS open
GROUP BY status;

-- name: suggestions
SELECT status, count(*) AS suggestions
FROM (SELECT status, expires_at FROM lamplighter.suggestions
      WHERE status IN ('pending', 'approved', 'publish_failed') LIMIT :most) AS open
WHERE status <> 'pending' OR expires_at > :now
GROUP BY status;

-- name: quotas
-- Of each token that GitHub has said it of; past its reset all of it is there again.
SELECT token_hash, "limit",
       CASE WHEN reset_at > :now THEN remaining ELSE "limit" END AS remaining
FROM lamplighter.github_quota
WHERE resource = 'core'
ORDER BY seen_at DESC LIMIT :most;

-- name: spending^
SELECT calls, tokens_in, tokens_out, cost_usd ::float8 AS cost_usd
FROM lamplighter.model_spending WHERE day = :day AND project_id = :project;

-- name: conditions
SELECT name FROM lamplighter.conditions ORDER BY since, name LIMIT :most;
