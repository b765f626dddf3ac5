-- name: open_numbers
SELECT number, true AS is_issue FROM lamplighter.github_issues
WHERE project_id = :project_id AND state = 'open' AND gone IS NULL
UNION ALL
SELECT number, false FROM lamplighter.github_pulls
WHERE project_id = :project_id AND state = 'open'
ORDER BY number;

-- name: remove_pull!
WITH reviews AS (
    DELETE FROM lamplighter.github_reviews WHERE project_id = :project_id AND pull = :number
)
DELETE FROM lamplighter.github_pulls WHERE project_id = :project_id AND number = :number;

-- name: set_gone!
UPDATE lamplighter.github_issues SET gone = :gone WHERE project_id = :project_id AND number = :number;
