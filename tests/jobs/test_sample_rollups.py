"""Do the rollup jobs agree with what the sample data says is rolled up, and go on from there?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from jobs import aggregate_analytics, aggregate_hourly
from scheduler.db.migrations import migrate
from scheduler.db.product import lay_demo, lay_product_tables
from tests.jobs.rollup_data import Row, queries
from tests.support.jobs import Product, product
from tests.support.postgres import Postgres

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FIRST = TODAY - 90 * DAY


async def lay(connection: asyncpg.Connection[Any]) -> None:
    await migrate(connection)
    await lay_product_tables(connection)
    await lay_demo(connection, now=NOW, users=2500)


@pytest.fixture
async def sample(postgres: Postgres) -> AsyncIterator[Product]:
    name = await postgres.create(await postgres.template("sample_rollups", lay))
    async with product(postgres.dsn(name)) as made:
        yield made
    await postgres.drop(name)


async def rows(shop: Product, table: str) -> list[Row]:
    found = getattr(queries(shop), table)(shop.pool)
    return [
        {name: value for name, value in row.items() if name not in {"id", "computed_at"}}
        async for row in found
    ]


async def test_the_jobs_go_on_where_the_sample_ends(sample: Product) -> None:
    hours, days = await rows(sample, "hours"), await rows(sample, "days")
    data = await sample.run(aggregate_hourly.job, NOW, now=NOW)
    first = TODAY - 2 * DAY - 3 * HOUR
    assert data["hours"] == [(first + n * HOUR).isoformat() for n in range(3 + 48 + 9)]
    assert (data["held"], data["left"]) == ([], 0)
    data = await sample.run(aggregate_analytics.job, NOW, now=NOW)
    assert data["days"] == [str((TODAY - n * DAY).date()) for n in (4, 3, 2, 1)]
    assert data["held"] == []
    assert (await rows(sample, "hours"))[: len(hours)] == hours
    assert (await rows(sample, "days"))[: len(days)] == days
    assert len(await rows(sample, "days")) == 90


async def test_a_rebuild_gives_the_rows_of_the_sample(sample: Product) -> None:
    """All columns but `mrr_cents`, which a rebuild leaves alone."""
    days = await rows(sample, "days")
    data = await sample.run(
        aggregate_analytics.job, NOW, now=NOW, from_=FIRST.date(), to=(TODAY - 3 * DAY).date()
    )
    assert (len(data["days"]), data["held"]) == (88, [])
    assert list(data["otherCurrencies"]) == ["eur"]
    assert await rows(sample, "days") == days


async def test_first_runs_give_the_rows_of_the_sample(sample: Product) -> None:
    """All columns; a stored day keeps its `mrr_cents`. The first ones are not proved whole."""
    hours, days = await rows(sample, "hours"), await rows(sample, "days")
    sql = queries(sample)
    await sql.forget_all(sample.pool)
    await sql.spoil(sample.pool)
    data = await sample.run(aggregate_hourly.job, TODAY - 2 * DAY, now=NOW, max_hours=8000)
    assert len(data["hours"]) > 88 * 24 - 24
    written = [row for row in await rows(sample, "hours") if row["page_views"] >= 0]
    assert [row["hour"].isoformat() for row in written] == data["hours"]
    assert written == hours[-len(written) :]
    data = await sample.run(aggregate_analytics.job, TODAY - 2 * DAY, now=NOW)
    assert data["held"] == [str(FIRST.date())]
    assert (await rows(sample, "days"))[1:] == days[1:]
    assert sum(row["mrr_cents"] for row in days) > 0
