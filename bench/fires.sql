-- name: lay#
CREATE TABLE bench_fires (n int PRIMARY KEY);

-- name: note!
INSERT INTO bench_fires VALUES (:n ::int);
