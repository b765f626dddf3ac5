"""Does every migration leave a schema on which the daemon of the version before goes on?

What may be done to a table that an earlier migration made is a short list; anything else is an
offence: it is accepted below with its reason, or the migration says what it contracts.
"""

from __future__ import annotations

import hashlib
import re

import pytest

from scheduler.db.migrations import MIGRATIONS, Migration, read_migrations

OURS = r"(?:lamplighter\.)(\w+)"
TEXT = re.compile(r"(\$\w*\$).*?\1|'(?:[^']|'')*'|--[^\n]*", re.DOTALL)
CREATE_TABLE = re.compile(rf"CREATE TABLE {OURS} \(")
CREATE_INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX (?:\w+ )?ON {OURS}\b")
CREATE_FUNCTION = re.compile(rf"CREATE FUNCTION {OURS}\(")
INSERT = re.compile(rf"INSERT INTO {OURS}\b")
REFERENCES = re.compile(rf"\bREFERENCES {OURS}\b")
ADD_COLUMN = re.compile(rf"ALTER TABLE {OURS} ADD COLUMN (?:IF NOT EXISTS )?\w+ (.+)")
# Each of these makes an older daemon's INSERT fail, rewrites the table under its lock, or is more
# than one column in one statement.
BURDENS = re.compile(
    r"\b(NOT NULL(?!.*\bDEFAULT\b)|CHECK|UNIQUE|PRIMARY KEY|REFERENCES|GENERATED)\b"
    r"|\bDEFAULT .*(random|clock_timestamp|uuid|nextval|new_id)|, [A-Z]"
)

ACCEPTED = {
    ("0004_new_id", "DO"): "makes a function of a new name, in one of two ways",
    ("0014_pages", "CREATE INDEX runs_by_status ON lamplighter.runs"): (
        "runs are kept for 90 days: 100,000 of them are indexed in well under a heartbeat's 5 s"
    ),
    ("0014_pages", "CREATE INDEX runs_of_job_by_status ON lamplighter.runs"): "as runs_by_status",
    (
        "0015_suggestion_lists",
        "CREATE INDEX",
    ): "thousands of suggestions at most; no lease is on it",
    ("0015_suggestion_lists", "CREATE UNIQUE INDEX"): "as the others; seq is an identity",
    ("0015_suggestion_lists", "ALTER TABLE lamplighter.suggestions DROP CONSTRAINT"): (
        "an index that nothing names: no ON CONFLICT and no foreign key is on seq"
    ),
    ("0016_suppressions", "CREATE INDEX"): "no lease is on suppressions, and its writers wait",
}


def statements(sql: str) -> list[str]:
    """Each statement on one line; what is quoted, and comments, are left out."""
    bare = TEXT.sub(lambda found: "" if found[0].startswith("--") else "''", sql)
    return [line for part in bare.split(";") if (line := " ".join(part.split()))]


def offences(migration: Migration, existing: set[str], functions: set[str]) -> list[str]:
    """The statements that an older daemon may not survive; adds what is new to the two sets."""
    made: set[str] = set()
    found = []
    for statement in statements(migration.sql):
        allowed = False
        if table := CREATE_TABLE.match(statement):
            made.add(table[1])
            allowed = table[1] not in existing
        elif index := CREATE_INDEX.match(statement):
            allowed = index[1] in made
        elif function := CREATE_FUNCTION.match(statement):
            allowed = function[1] not in functions
            functions.add(function[1])
        elif column := ADD_COLUMN.match(statement):
            allowed = not BURDENS.search(column[2])
        elif INSERT.match(statement):
            allowed = True
        # A foreign key locks the table that it refers to, and hinders deletes there.
        if any(table in existing for table in REFERENCES.findall(statement)):
            allowed = False
        if not allowed:
            found.append(statement)
    existing |= made
    return found


def is_accepted(migration: Migration, statement: str) -> bool:
    return any(
        migration.id == id_ and statement.startswith(beginning) for id_, beginning in ACCEPTED
    )


def test_every_migration_can_be_survived_or_says_what_it_contracts() -> None:
    existing: set[str] = set()
    functions: set[str] = set()
    numbered = read_migrations()[:-1]
    bad = {}
    for migration in numbered:
        found = [
            statement
            for statement in offences(migration, existing, functions)
            if not is_accepted(migration, statement)
        ]
        if found and migration.contracts is None:
            bad[migration.id] = found
    assert len(numbered) >= 16
    assert bad == {}


def test_everything_that_is_accepted_is_there() -> None:
    numbered = {migration.id: statements(migration.sql) for migration in read_migrations()}
    for id_, beginning in ACCEPTED:
        assert any(s.startswith(beginning) for s in numbered[id_]), (id_, beginning)


def test_a_contraction_names_a_migration_before_it() -> None:
    before: set[str] = set()
    for migration in read_migrations()[:-1]:
        if migration.contracts is not None:
            assert migration.contracts in before, migration.id
        before.add(migration.id)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE lamplighter.old",
        "ALTER TABLE lamplighter.old DROP COLUMN gone",
        "ALTER TABLE lamplighter.old RENAME COLUMN one TO other",
        "ALTER TABLE lamplighter.old RENAME TO older",
        "ALTER TABLE lamplighter.old ALTER COLUMN one SET NOT NULL",
        "ALTER TABLE lamplighter.old ALTER COLUMN one TYPE bigint",
        "ALTER TABLE lamplighter.old ALTER COLUMN one DROP DEFAULT",
        "ALTER TABLE lamplighter.old ADD COLUMN one int NOT NULL",
        "ALTER TABLE lamplighter.old ADD COLUMN one int CHECK (one > 0)",
        "ALTER TABLE lamplighter.old ADD COLUMN one uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE lamplighter.old ADD COLUMN one int REFERENCES lamplighter.old (id)",
        "ALTER TABLE lamplighter.old ADD COLUMN one int, DROP COLUMN other",
        "ALTER TABLE lamplighter.old ADD CONSTRAINT one CHECK (a > 0)",
        "ALTER TABLE lamplighter.old DROP CONSTRAINT one",
        "CREATE INDEX ON lamplighter.old (one)",
        "CREATE UNIQUE INDEX one ON lamplighter.old (one)",
        "DROP INDEX lamplighter.one",
        "CREATE TRIGGER t BEFORE INSERT ON lamplighter.old EXECUTE FUNCTION f()",
        "CREATE TABLE lamplighter.new (id uuid REFERENCES lamplighter.old (id))",
        "CREATE OR REPLACE FUNCTION lamplighter.known() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION lamplighter.known()",
        "UPDATE lamplighter.old SET one = 2",
        "DELETE FROM lamplighter.old",
        "TRUNCATE lamplighter.old",
        "LOCK TABLE lamplighter.old",
        "DO $$ BEGIN EXECUTE 'DROP TABLE lamplighter.old'; END $$",
        "/* hidden */ DROP TABLE lamplighter.old",
    ],
)
def test_what_an_older_daemon_cannot_survive_is_an_offence(statement: str) -> None:
    assert offences(Migration("9001_x", f"-- Why.\n{statement};\n"), {"old"}, {"known"})


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE lamplighter.old ADD COLUMN one int",
        "ALTER TABLE lamplighter.old ADD COLUMN one int NOT NULL DEFAULT 0",
        "CREATE TABLE lamplighter.new (id int); CREATE UNIQUE INDEX ON lamplighter.new (id)",
        "CREATE FUNCTION lamplighter.new() RETURNS text LANGUAGE sql AS $$ SELECT ';' $$",
        "INSERT INTO lamplighter.old (id) VALUES ('; DROP')",
    ],
)
def test_what_is_only_added_is_none(statement: str) -> None:
    assert offences(Migration("9001_x", f"-- Why; drop.\n{statement};\n"), {"old"}, set()) == []


def test_a_change_of_the_functions_raises_their_version() -> None:
    """Changed on purpose? Raise the number in its first line, then set both here."""
    text = (MIGRATIONS / "functions.sql").read_text()

    known = (read_migrations()[-1].id, hashlib.sha256(text.encode()).hexdigest()[:12])

    assert known == ("functions@v2", "bb87c4dbc5fa")


def test_functions_are_replaced_never_dropped() -> None:
    text = (MIGRATIONS / "functions.sql").read_text()
    assert all(
        re.match(rf"CREATE OR REPLACE FUNCTION {OURS}\(", statement)
        for statement in statements(text)
    )
