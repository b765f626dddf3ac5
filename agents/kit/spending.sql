-- name: reserve$
-- One day and project, as far as the cap lets it: no row where it does not.
INSERT INTO lamplighter.model_spending AS spent
    (day, project_id, calls, tokens_in, tokens_out, cost_usd)
SELECT :day, :project_id, 1, :tokens_in, :tokens_out, CAST(:cost AS numeric)
WHERE CAST(:cost AS numeric) <= CAST(:cap AS numeric)
ON CONFLICT (day, project_id) DO UPDATE
SET calls = spent.calls + 1,
    tokens_in = spent.tokens_in + excluded.tokens_in,
    tokens_out = spent.tokens_out + excluded.tokens_out,
    cost_usd = spent.cost_usd + excluded.cost_usd
WHERE spent.cost_usd + excluded.cost_usd <= CAST(:cap AS numeric)
RETURNING spent.cost_usd;

-- name: spent$
SELECT cost_usd FROM lamplighter.model_spending WHERE day = :day AND project_id = :project_id;

-- name: settle!
-- What was reserved is replaced by what it was: the differences are added.
UPDATE lamplighter.model_spending
SET tokens_in = tokens_in + :tokens_in,
    tokens_out = tokens_out + :tokens_out,
    cost_usd = cost_usd + CAST(:cost AS numeric)
WHERE day = :day AND project_id = :project_id;
