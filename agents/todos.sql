-- name: add!
INSERT INTO todos (id, project_id, title) VALUES (:todo, :project, :title)
ON CONFLICT (id) DO NOTHING;

-- name: set_description!
UPDATE todos SET description = :value WHERE id = :todo;

-- name: set_created!
UPDATE todos SET date_created = :value WHERE id = :todo;

-- name: set_updated!
UPDATE todos SET date_updated = :value WHERE id = :todo;

-- name: set_pull!
UPDATE todos SET github_pr_number = :value WHERE id = :todo;

-- name: set_issue!
UPDATE todos SET github_issue_number = :value WHERE id = :todo;
