"""Does every test get a database of its own, on the PostgreSQL that was asked for?"""

from __future__ import annotations

import asyncpg


async def test_an_empty_database_has_no_tables(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        await connection.execute("CREATE TABLE only_here ()")
        found = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    assert [row["relname"] for row in found] == ["only_here"]


async def test_the_next_test_does_not_see_it(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database, timeout=10)
    try:
        assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    finally:
        await connection.close()


async def test_both_variants_carry_the_schema_and_the_product(
    database: str, database_b: str
) -> None:
    columns = []
    for dsn in (database, database_b):
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            assert await connection.fetchval("SELECT count(*) FROM lamplighter.runs") == 0
            rows = await connection.fetch(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = 'analytics_events'"
            )
            columns.append({row["column_name"] for row in rows} & {"timestamp", "created_at"})
        finally:
            await connection.close()
    assert columns == [{"timestamp"}, {"created_at"}]
