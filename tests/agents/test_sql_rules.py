"""Does every query of the agents fit the tables, and take its time from the run?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

import agents
from scheduler.sql import load_sql
from tests.jobs.test_sql_rules import CLOCKS, without_comments

ROOT = Path(agents.__file__).parent
FILES = sorted(ROOT.rglob("*.sql"))


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_there_are_files() -> None:
    assert {"github/store.sql", "github/product.sql"} <= set(map(named, FILES))


@pytest.mark.parametrize("file", FILES, ids=named)
def test_no_query_asks_the_database_what_time_it_is(file: Path) -> None:
    found = CLOCKS.search(without_comments(file.read_text(encoding="utf-8")))
    assert found is None, f"{named(file)} asks {found[0]}: take :now of the run"


@pytest.mark.parametrize("file", FILES, ids=named)
async def test_every_query_fits_the_tables(file: Path, database: str) -> None:
    connection = await asyncpg.connect(database, timeout=10, command_timeout=10)
    loaded: Any = load_sql(str(file))
    names = [name for name in loaded.available_queries if not name.endswith("_cursor")]
    try:
        for name in names:
            try:
                await connection.prepare(getattr(loaded, name).sql)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{named(file)}: {name}: {error}")
    finally:
        await connection.close()
    assert names
