"""Are queries read from beside their owner, with shared conditions and other products' columns?"""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from scheduler.sql import load_sql

TEXT = """\
-- fragment: positive
-- A comment of the fragment.
n > :least ::int

-- name: positives
SELECT n FROM unnest(:numbers ::int[]) AS u ({number}) WHERE {positive} ORDER BY n;

-- name: how_many$
SELECT count(*) FROM unnest(:numbers ::int[]) AS u (n) WHERE {positive};
"""


def owner(folder: Path, text: str) -> str:
    (folder / "numbers.sql").write_text(text, encoding="utf-8")
    return str(folder / "numbers.py")


async def test_queries_share_a_fragment_and_take_an_identifier(
    tmp_path: Path, empty_database: str
) -> None:
    sql = load_sql(owner(tmp_path, TEXT), number="n")
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        numbers = {"numbers": [3, -1, 2, 0], "least": 0}
        rows = [row["n"] async for row in sql.positives(connection, **numbers)]
        assert rows == [2, 3]
        assert await sql.how_many(connection, **numbers) == 2
    finally:
        await connection.close()


def test_a_column_that_is_not_there_is_null_and_fragments_may_be_shared(tmp_path: Path) -> None:
    shared = tmp_path / "shared.sql"
    shared.write_text(
        "-- fragment: rows\n(SELECT {n} AS n, {m} ::int AS m FROM numbers)\n", "utf-8"
    )
    text = "-- name: all_rows\nSELECT n, m FROM {rows} AS r;\n"
    sql = load_sql(owner(tmp_path, text), shared, n="number", m=None)
    assert '(SELECT "number" AS n, NULL ::int AS m FROM numbers) AS r' in sql.all_rows.sql


async def test_a_fragments_comments_are_not_read_as_sql(
    tmp_path: Path, empty_database: str
) -> None:
    shared = tmp_path / "shared.sql"
    shared.write_text("-- fragment: rows\n-- The people's own.\n(SELECT 1 AS n)\n", "utf-8")
    text = "-- name: twice$\nSELECT r.n + s.n + :more ::int FROM {rows} r, {rows} s;\n"
    sql = load_sql(owner(tmp_path, text), shared)
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        assert await sql.twice(connection, more=3) == 5
    finally:
        await connection.close()


@pytest.mark.parametrize("identifier", ['n"; DROP TABLE x; --', "N", "", "1n", "a b", "n" * 64])
def test_only_plain_identifiers(tmp_path: Path, identifier: str) -> None:
    with pytest.raises(ValueError, match=r"numbers\.sql: .* is not a plain SQL identifier"):
        load_sql(owner(tmp_path, TEXT), number=identifier)


def test_a_placeholder_that_stands_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"numbers\.sql: \{number\} stands for nothing"):
        load_sql(owner(tmp_path, TEXT))
