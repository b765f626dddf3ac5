-- The list is looked through by people too: the latest first, and by how an address begins.
CREATE INDEX ON lamplighter.suppressions (created_at, email) WHERE lifted_at IS NULL;
CREATE INDEX ON lamplighter.suppressions (email COLLATE "C");
