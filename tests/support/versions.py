"""Other versions of lamplighter, as a database sees them: their migrations."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from scheduler.db.migrations import MIGRATIONS, read_migrations

FUNCTIONS = read_migrations()[-1].id
LATER = {
    "9001_expand": "ALTER TABLE lamplighter.entries ADD COLUMN owner text;",
    "9002_more": "CREATE TABLE lamplighter.owners (id text PRIMARY KEY);",
}
CONTRACT = {
    "9003_contract": "-- Contracts: 9001_expand\n"
    "ALTER TABLE lamplighter.entries DROP COLUMN paused_by;"
}
# A column more in every table, in front of nobody who names what is asked for.
WIDER = """
    DO $$
    DECLARE one regclass;
    BEGIN
        FOR one IN SELECT c.oid::regclass FROM pg_class c
                   WHERE c.relnamespace = 'lamplighter'::regnamespace AND c.relkind IN ('r', 'p')
        LOOP
            EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS of_a_newer_version int', one);
        END LOOP;
    END $$;
"""


def version(
    home: Path, more: Mapping[str, str] | None = None, *, functions: int | None = None
) -> Path:
    """The migrations of another version: ours, some more, and perhaps other functions."""
    folder = home / f"version-{len(list(home.iterdir()))}"
    shutil.copytree(MIGRATIONS, folder)
    for name, text in (more or {}).items():
        (folder / f"{name}.sql").write_text(text)
    if functions is not None:
        file = folder / "functions.sql"
        ours = FUNCTIONS.removeprefix("functions@v")
        text = file.read_text().replace(f"-- Version: {ours}\n", f"-- Version: {functions}\n")
        file.write_text(
            f"{text}\nCREATE OR REPLACE FUNCTION lamplighter.laid_by() RETURNS int"
            f" LANGUAGE sql AS 'SELECT {functions}';\n"
        )
    return folder
