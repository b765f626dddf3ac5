"""Is the sample repository whole, in agreement with itself, and the same wherever it is laid?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from scheduler.db.product import lay_demo
from tests.support import databases
from tests.support.postgres import Postgres

Connection: TypeAlias = "asyncpg.Connection[Any]"

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


async def lay(connection: Connection) -> None:
    await databases.product_a(connection)
    await lay_demo(connection, now=NOW, users=20)


@pytest.fixture
async def demo(postgres: Postgres) -> AsyncIterator[Connection]:
    name = await postgres.create(await postgres.template("demo_github", lay))
    connection = await postgres.connect(name)
    yield connection
    await connection.close()
    await postgres.drop(name)


async def github_tables(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'lamplighter' AND column_name = 'project_id'"
        " AND table_name LIKE 'github%' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_there_is_about_as_much_as_a_small_team_does(demo: Connection) -> None:
    for table, least, most in (
        ("commits", 520, 680),
        ("issues", 120, 120),
        ("pulls", 90, 90),
        ("reviews", 60, 200),
        ("comments", 200, 500),
        ("releases", 12, 12),
        ("milestones", 4, 4),
        ("files", 3, 3),
    ):
        count = await demo.fetchval(f"SELECT count(*) FROM lamplighter.github_{table}")  # noqa: S608
        assert least <= count <= most, table
    logins = await demo.fetchval(
        "SELECT count(DISTINCT author_login) FROM lamplighter.github_commits"
    )
    assert logins >= 8


async def test_all_of_it_is_of_one_project_and_marked(demo: Connection) -> None:
    row = await demo.fetchrow(
        "SELECT name, is_sample, complete, head_sha FROM lamplighter.github_repositories"
        " JOIN public.projects ON id = project_id"
    )
    assert row is not None
    assert (row["name"], row["is_sample"], row["complete"]) == ("Lantern", True, True)
    for table in await github_tables(demo):
        strangers = await demo.fetchval(
            f"SELECT count(*) FROM lamplighter.{table} WHERE project_id <>"  # noqa: S608
            " (SELECT project_id FROM lamplighter.github_repositories)"
        )
        assert strangers == 0, table


async def test_times_are_in_order_and_none_is_in_the_future(demo: Connection) -> None:
    columns = await demo.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'lamplighter' AND table_name LIKE 'github%'"
        " AND data_type = 'timestamp with time zone' AND column_name <> 'due_on'"
    )
    assert len(columns) > 15
    for table, column in columns:
        latest = await demo.fetchval(f"SELECT max({column}) FROM lamplighter.{table}")  # noqa: S608
        assert latest is None or latest <= NOW, (table, column)
    wrong = await demo.fetchval(
        """SELECT count(*) FROM lamplighter.github_pulls
        WHERE closed_at < created_at OR ready_at < created_at OR merged_at <> closed_at
            OR updated_at < created_at OR (state = 'closed') <> (closed_at IS NOT NULL)
            OR updated_at < closed_at OR (draft AND merged_at IS NOT NULL)"""
    )
    assert wrong == 0
    early = await demo.fetchval("SELECT min(created_at) FROM lamplighter.github_pulls")
    assert NOW - timedelta(days=121) < early < NOW - timedelta(days=100)


async def test_what_refers_to_something_refers_to_what_is_there(demo: Connection) -> None:
    orphans = await demo.fetchrow(
        """SELECT
            (SELECT count(*) FROM lamplighter.github_reviews WHERE pull NOT IN
                (SELECT number FROM lamplighter.github_pulls)) AS reviews,
            (SELECT count(*) FROM lamplighter.github_comments WHERE number NOT IN
                (SELECT number FROM lamplighter.github_pulls
                 UNION SELECT number FROM lamplighter.github_issues)) AS comments,
            (SELECT count(*) FROM lamplighter.github_pulls WHERE merge_sha NOT IN
                (SELECT sha FROM lamplighter.github_commits)) AS merges,
            (SELECT count(*) FROM lamplighter.github_issues
             JOIN lamplighter.github_pulls USING (number)) AS twice,
            (SELECT count(*) FROM lamplighter.github_reviews AS r JOIN lamplighter.github_pulls AS p
             ON p.number = r.pull WHERE r.author_login = p.author_login) AS own,
            (SELECT count(*) FROM lamplighter.github_issues AS i WHERE comments <>
                (SELECT count(*) FROM lamplighter.github_comments AS c
                 WHERE c.number = i.number)) AS miscounted"""
    )
    assert orphans is not None
    assert set(orphans.values()) == {0}


async def test_the_same_seed_gives_the_same_rows(postgres: Postgres) -> None:
    sums = []
    for seed, zone in ((3, "UTC"), (3, "Pacific/Auckland"), (4, "UTC")):
        name = await postgres.create()
        connection = await postgres.connect(name)
        try:
            await databases.product_a(connection)
            await connection.execute(f"SET timezone TO '{zone}'")
            await lay_demo(connection, now=NOW, users=5, seed=seed)
            await connection.execute("SET timezone TO 'UTC'")
            sums.append(
                [
                    await connection.fetchval(
                        "SELECT md5(string_agg(t::text, '' ORDER BY t::text COLLATE \"C\"))"  # noqa: S608
                        f" FROM lamplighter.{table} AS t"
                    )
                    for table in await github_tables(connection)
                ]
            )
            left = await connection.fetchval(
                "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
            )
            assert left == 0
        finally:
            await connection.close()
            await postgres.drop(name)
    assert sums[0] == sums[1] != sums[2]


async def test_no_sync_is_on_for_a_repository_that_is_none(demo: Connection) -> None:
    fetched = await demo.fetchval(
        "SELECT count(*) FROM projects p LEFT JOIN lamplighter.github_repositories r"
        " ON r.project_id = p.id WHERE p.github_sync_enabled AND NOT coalesce(r.is_sample, false)"
    )
    assert fetched == 0
