"""A project's repository measured end to end: from rows to the answer, and only once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from agents.github.facts import Period
from agents.github.reader import read_history, read_repository
from jobs.orchestration.analyze_github import job
from scheduler.db.pools import Pools
from scheduler.db.product import lay_demo
from scheduler.entry import Schedule
from scheduler.errors import LeaseLostError, NotFoundError
from scheduler.job import Job
from scheduler.run import Status
from scheduler.running.registry import JobType
from tests.support.jobs import Product, product
from tests.support.machine import Machine, ManualTime, entry
from tests.support.postgres import Postgres

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


async def lay(connection: asyncpg.Connection[Any]) -> None:
    from tests.support import databases

    await databases.product_a(connection)
    await lay_demo(connection, now=NOW, users=20)


@pytest.fixture
async def demo_dsn(postgres: Postgres) -> AsyncIterator[str]:
    name = await postgres.create(await postgres.template("demo_github", lay))
    yield postgres.dsn(name)
    await postgres.drop(name)


@pytest.fixture
async def demo(demo_dsn: str) -> AsyncIterator[Product]:
    async with product(demo_dsn) as made:
        yield made


async def lantern(shop: Product) -> UUID:
    found: UUID = await shop.pool.fetchval("SELECT id FROM projects WHERE name = 'Lantern'")
    return found


async def analyse(shop: Product, at: datetime = NOW, **options: Any) -> dict[str, Any]:
    options.setdefault("project_id", await lantern(shop))
    return await shop.run(job, at, now=at, **options)


async def analyses(shop: Product) -> int:
    found: int = await shop.pool.fetchval("SELECT count(*) FROM lamplighter.github_analyses")
    return found


async def test_the_sample_project_has_something_of_everything(demo: Product) -> None:
    data = await analyse(demo, period_hours=720)
    assert (data["repository"], data["isSample"]) == ("lamplighter-demo/lantern", True)
    assert data["period"]["end"] == NOW.isoformat()
    assert data["period"]["hours"] == 720
    for one in (data, data["previous"]):
        assert one["commits"] > 50
        assert one["authors"] >= 5
        assert one["busFactor"] >= 2
        assert one["lines"]["added"] > 500
        assert all(one["pullRequests"][key] > 0 for key in ("opened", "merged", "closed", "open"))
        assert all(one["issues"][key] > 0 for key in ("opened", "closed", "open"))
        assert one["pullRequests"]["firstResponse"]["count"] > 5
        assert one["pullRequests"]["firstResponse"]["unanswered"] > 0
        assert one["pullRequests"]["timeToMerge"]["p90Hours"] > 1
        assert one["releases"]["published"] > 0
        assert one["bots"]["commits"] > 0
        assert one["bots"]["comments"] > 0
    assert 0 < data["velocity"]["score"] < 100
    assert data["velocity"]["trend"] in {"rising", "falling", "stable"}
    assert data["stale"]["issues"] > 0
    assert len(data["hotSpots"]["files"]) == 20
    assert {one["state"] for one in data["milestones"]} == {"open", "overdue"}
    assert sum(data["activity"]["hours"]) == sum(data["activity"]["weekdays"]) > 100
    assert data["byLabel"][0]["label"] in {"bug", "enhancement"}


async def test_counts_are_those_of_the_tables(demo: Product) -> None:
    data = await analyse(demo, period_hours=720)
    row = await demo.pool.fetchrow(
        """SELECT
            (SELECT count(*) FROM lamplighter.github_commits WHERE committed_at >= $1
                AND committed_at < $2 AND NOT author_is_bot) AS commits,
            (SELECT count(*) FROM lamplighter.github_pulls WHERE merged_at >= $1
                AND merged_at < $2 AND NOT author_is_bot) AS merged,
            (SELECT count(*) FROM lamplighter.github_issues WHERE closed_at >= $1
                AND closed_at < $2 AND NOT author_is_bot) AS closed""",
        NOW - timedelta(hours=720),
        NOW,
    )
    assert row is not None
    assert (data["commits"], data["pullRequests"]["merged"], data["issues"]["closed"]) == tuple(row)


async def test_the_same_rows_are_not_analysed_twice(demo: Product) -> None:
    first = await analyse(demo)
    assert first.pop("cached") is False
    again = await analyse(demo, NOW + timedelta(hours=3))
    assert again.pop("cached") is True
    assert again == first
    assert await analyses(demo) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lamplighter.github_issues SET labels = '{new}' WHERE closed_at IS NULL",
        "UPDATE lamplighter.github_repositories SET complete = false",
        "UPDATE lamplighter.github_milestones SET open_issues = open_issues + 1",
    ],
)
async def test_changed_rows_are_analysed_anew(demo: Product, change: str) -> None:
    await analyse(demo)
    await demo.pool.execute(change)
    assert (await analyse(demo))["cached"] is False
    assert (await analyse(demo))["cached"] is True


async def test_another_period_zone_or_reading_is_another_analysis(demo: Product) -> None:
    await analyse(demo)
    assert (await analyse(demo, period_hours=25))["cached"] is False
    assert (await analyse(demo, stale_days=30))["cached"] is False
    assert (await analyse(demo, zone=ZoneInfo("Asia/Tokyo")))["cached"] is False
    assert (await analyse(demo, NOW - timedelta(hours=1)))["cached"] is False
    assert await analyses(demo) == 5


async def test_the_period_does_not_reach_beyond_the_last_sync(demo: Product) -> None:
    later = await analyse(demo, NOW + timedelta(days=2))
    assert later["period"]["end"] == later["syncedAt"] == NOW.isoformat()
    earlier = await analyse(demo, NOW - timedelta(days=2))
    assert earlier["period"]["end"] == (NOW - timedelta(days=2)).isoformat()


async def test_hours_of_activity_are_those_of_the_entrys_zone(demo: Product) -> None:
    utc = (await analyse(demo, period_hours=720))["activity"]["hours"]
    tokyo = (await analyse(demo, period_hours=720, zone=ZoneInfo("Asia/Tokyo")))["activity"]
    assert tokyo["hours"] == utc[-9:] + utc[:-9]


async def test_before_the_first_fetched_day_nothing_is_claimed(demo: Product) -> None:
    data = await analyse(demo, period_hours=2160)
    assert data["partial"] == []
    assert data["previous"]["partial"] == ["history"]
    assert data["velocity"]["trend"] == "insufficient_data"
    assert data["velocity"]["previousScore"] is None


async def test_more_rows_than_are_read_are_said(demo: Product) -> None:
    project = await lantern(demo)
    period = Period(NOW - timedelta(days=30), NOW)
    async with demo.context().db.transaction() as connection:
        repository = await read_repository(connection, project)
        assert repository is not None
        few = await read_history(connection, project, repository, period, most=5)
        alone = replace(repository, data_since=None)
        unknown = await read_history(connection, project, alone, period)
    assert [len(rows) for rows in (few.commits, few.pulls, few.issues, few.comments)] == [5] * 4
    assert few.cut["issues"] == NOW
    assert few.cut["commits"] == min(one.committed_at for one in few.commits) + timedelta(
        microseconds=1
    )
    assert unknown.cut == {}
    assert unknown.complete is False


async def test_who_is_not_there_is_not_found(demo: Product) -> None:
    with pytest.raises(NotFoundError, match="there is no project"):
        await analyse(demo, project_id=uuid4())
    wick = await demo.pool.fetchval("SELECT id FROM projects WHERE name = 'Wick'")
    with pytest.raises(NotFoundError, match="nothing was fetched"):
        await analyse(demo, project_id=wick)


async def test_every_fetched_project_where_none_is_named(demo: Product) -> None:
    project = await lantern(demo)
    data = await analyse(demo, project_id=None)
    assert data["analyzed"] == 1
    assert data["projects"][str(project)]["cached"] is False
    assert (await analyse(demo))["cached"] is True


async def test_a_lost_run_keeps_nothing_and_the_next_does_it(demo: Product) -> None:
    with pytest.raises(LeaseLostError):
        await analyse(demo, commits_left=2)
    assert await analyses(demo) == 0
    assert (await analyse(demo))["cached"] is False


async def test_only_the_latest_are_kept(demo: Product) -> None:
    await demo.pool.execute(
        "INSERT INTO lamplighter.github_analyses SELECT $1, n::text, $2, $2, '{}',"
        " $2::timestamptz - n * interval '1 hour' FROM generate_series(1, 300) n",
        await lantern(demo),
        NOW,
    )
    await analyse(demo)
    assert await analyses(demo) == 200


async def test_through_the_runner(demo_dsn: str) -> None:
    async with product(demo_dsn) as shop:
        project = await lantern(shop)
    params = job.params.model_validate({"projectId": str(project), "periodHours": 168})
    measuring: Job[Any] = job
    kinds = {"analyze": JobType("analyze", "Measures.", measuring)}
    asked = entry("analyze", params=params)
    pools = await Pools.open(lambda: demo_dsn, job_connections=2)
    one = Machine(pools, kinds, Schedule({"analyze": asked}, 5), ManualTime(NOW), "one")
    one.runner.start(claims=False)
    try:
        for cached in (False, True):
            run = await one.ended(await one.by_hand("analyze"))
            assert run.status == Status.SUCCEEDED, run.error_message
            data: Any = run.data
            assert data["cached"] is cached
            assert data["period"]["hours"] == 168
    finally:
        await one.runner.drain(0)
        await pools.close()


@pytest.mark.parametrize("wrong", [{"period_hours": 0}, {"period_hours": 2161}, {"stale_days": 0}])
def test_parameters_are_bounded(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        job.params.model_validate(wrong)
