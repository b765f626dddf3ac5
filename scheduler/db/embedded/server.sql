-- name: rename_database#
-- The database that every new cluster has, and nobody uses: renaming it takes no time.
ALTER DATABASE postgres RENAME TO lamplighter;

-- name: create_database#
CREATE DATABASE lamplighter;
