-- name: known_files
SELECT path, sha FROM lamplighter.github_files WHERE project_id = :project_id;

-- name: put_file!
INSERT INTO lamplighter.github_files (project_id, path, sha, size, text)
VALUES (:project_id, :path, :sha, :size, :text)
ON CONFLICT (project_id, path) DO UPDATE SET
    sha = excluded.sha, size = excluded.size, text = excluded.text;

-- name: keep_files$
WITH gone AS (
    DELETE FROM lamplighter.github_files
    WHERE project_id = :project_id AND path <> ALL (:paths ::text[])
    RETURNING 1
)
SELECT count(*) FROM gone;
