-- name: switched_off^
SELECT off_since, by, reason FROM lamplighter.agent_switches WHERE name = 'auto_publish';

-- name: switch_off!
INSERT INTO lamplighter.agent_switches (name, off_since, by, reason)
VALUES ('auto_publish', :now, :by, :reason)
ON CONFLICT (name) DO NOTHING;

-- name: switch_on!
DELETE FROM lamplighter.agent_switches WHERE name = 'auto_publish';

-- name: made_since$
-- What was published without approval since then, and what was made since then to be so.
SELECT count(*)
FROM (
    SELECT id FROM lamplighter.suggestions
    WHERE project_id = :project AND created_at >= :since AND decided_by = :by
        AND status IN ('approved', 'published', 'publish_failed')
    UNION
    SELECT s.id
    FROM lamplighter.publications p JOIN lamplighter.suggestions s ON s.id = p.suggestion_id
    WHERE p.by_itself AND p.begun_at >= :since AND s.project_id = :project
) AS made
WHERE :suggestion ::uuid IS NULL OR id <> :suggestion;
