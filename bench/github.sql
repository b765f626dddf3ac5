-- name: add_projects!
INSERT INTO projects (id, name, github_repo, github_sync_enabled)
SELECT gen_random_uuid(), name, name, true FROM unnest(:names ::text[]) AS name;
