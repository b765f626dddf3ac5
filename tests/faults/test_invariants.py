"""Do the invariants see what must never be? Each rule gets an offence of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from scheduler.db.pools import prepare_connection
from scheduler.sql import load_sql
from tests.faults.invariants import RULES, Due, violations

sql = load_sql(__file__)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# PostgreSQL itself keeps two runs of one key from running.
KEPT_BY_AN_INDEX = {"two_active_runs"}


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=10)
    try:
        await prepare_connection(connection)
        yield connection
    finally:
        await connection.close()


async def test_an_untouched_database_breaks_none(database: str) -> None:
    assert await violations(database) == []


@pytest.mark.parametrize("rule", sorted({*RULES} - KEPT_BY_AN_INDEX))
async def test_each_rule_sees_its_offence(database: str, rule: str) -> None:
    async with connected(database) as connection:
        await getattr(sql, rule)(connection)
    found = await violations(database)
    assert [one.partition(":")[0] for one in found] == [rule]


async def test_fires_that_are_lost_doubled_or_of_no_time(database: str) -> None:
    due = {"work": Due("* * * * *", NOON, NOON + 5 * MINUTE)}
    async with connected(database) as connection:
        # The same fire twice is what PostgreSQL itself refuses.
        for minutes in (1, 2, 2.5, 7):
            await sql.fire(connection, at=NOON + minutes * MINUTE)
        assert await violations(database, due) == [
            *(f"lost: work at {NOON + minute * MINUTE}" for minute in (3, 4, 5)),
            f"of no fire: work at {NOON + 2.5 * MINUTE}",
        ]


async def test_a_row_for_many_fires_stands_for_each(database: str) -> None:
    due = {"work": Due("* * * * *", NOON, NOON + 5 * MINUTE)}
    first, last = NOON + MINUTE, NOON + 4 * MINUTE
    async with connected(database) as connection:
        await sql.missed(connection, first=first, last=last, count=4)
        await sql.fire(connection, at=NOON + 5 * MINUTE)
        assert await violations(database, due) == []
        await sql.fire(connection, at=NOON + 3 * MINUTE)
        assert await violations(database, due) == [f"2 rows: work at {NOON + 3 * MINUTE}"]
        await sql.missed(connection, first=NOON, last=NOON + 2 * MINUTE, count=5)
        with pytest.raises(AssertionError, match="speaks of 5, and has 3"):
            await violations(database, due)
