-- name: known$
-- Its time is moved on, so that it is the latest again and is not pruned.
UPDATE lamplighter.github_analyses
SET analysed_at = greatest(analysed_at, :now)
WHERE project_id = :project AND data_hash = :data_hash
RETURNING data;

-- name: keep!
INSERT INTO lamplighter.github_analyses
    (project_id, data_hash, period_start, period_end, data, analysed_at)
VALUES (:project, :data_hash, :period_start, :period_end, :data, :now)
ON CONFLICT (project_id, data_hash) DO NOTHING;

-- name: prune!
DELETE FROM lamplighter.github_analyses a
USING (SELECT analysed_at, data_hash FROM lamplighter.github_analyses
       WHERE project_id = :project
       ORDER BY analysed_at DESC, data_hash DESC OFFSET :keep LIMIT 1) AS oldest
WHERE a.project_id = :project
    AND (a.analysed_at, a.data_hash) <= (oldest.analysed_at, oldest.data_hash);
