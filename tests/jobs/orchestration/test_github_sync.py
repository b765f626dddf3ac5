"""Which projects are read, how many at once, and what is said when GitHub's limits hold it up?"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError

from jobs.orchestration.github_sync import GitHubSync, job
from scheduler.errors import LeaseLostError, NotFoundError, PermanentError
from scheduler.job import Skipped
from tests.support.github import Misfortune
from tests.support.github_repository import Item, Repository
from tests.support.github_shop import NOW, TABLES, TOKEN, Shop, ago, sql


def tiny(number: int = 1) -> Repository:
    made = Repository(f"octocat/project-{number}", number)
    made.put(Item(1, ago(days=2), ago(days=2)))
    made.commit(ago(days=3))
    return made


async def conditions(shop: Shop) -> dict[str, str]:
    return {row["name"]: row["reason"] async for row in sql.conditions(shop.product.pool)}


async def test_nothing_to_do(shop: Shop) -> None:
    data = await shop.sync()
    assert (data["projectsSynced"], data["projectsFailed"], data["errors"]) == (0, 0, [])
    assert shop.github.asked == []


async def test_projects_whose_sync_is_on_and_that_are_not_archived(shop: Shop) -> None:
    wanted = {
        await shop.project(shop.github.add(tiny(1))),
        await shop.project(shop.github.add(tiny(2)), status=None),
        await shop.project(shop.github.add(tiny(3)), status="completed"),
    }
    others: list[dict[str, Any]] = [{"enabled": False}, {"enabled": None}, {"status": "archived"}]
    for n, values in enumerate(others, 4):
        await shop.project(shop.github.add(tiny(n)), **values)
    assert (await shop.sync())["projectsSynced"] == 3
    rows = await shop.product.pool.fetch("SELECT project_id FROM lamplighter.github_repositories")
    assert {row["project_id"] for row in rows} == wanted


async def test_one_project_that_is_asked_for(shop: Shop) -> None:
    off = await shop.project(shop.github.add(tiny(1)), enabled=False)
    await shop.project(shop.github.add(tiny(2)))
    assert (await shop.sync(project=off))["projectsSynced"] == 1
    assert {asked.path.split("/")[3].partition("?")[0] for asked in shop.github.asked} == {
        "project-1"
    }
    with pytest.raises(NotFoundError):
        await shop.run(project=uuid4())
    missing = await shop.project("octocat/missing")
    with pytest.raises(PermanentError, match="404"):
        await shop.run(project=missing)


async def test_a_sample_is_not_read(shop: Shop) -> None:
    project = await shop.project(shop.github.add(tiny()))
    await shop.sync()
    await shop.product.pool.execute("UPDATE lamplighter.github_repositories SET is_sample = true")
    shop.github.forget()
    assert (await shop.sync())["projectsSynced"] == 0
    assert shop.github.asked == []
    with pytest.raises(NotFoundError):
        await shop.run(project=project)


async def test_what_was_read_for_a_deleted_project_goes(shop: Shop) -> None:
    gone = await shop.project(shop.github.add(tiny(1)))
    kept = await shop.project(shop.github.add(tiny(2)))
    await shop.sync()
    await shop.product.pool.execute("DELETE FROM projects WHERE id = $1", gone)
    await shop.sync()
    for table in TABLES:
        assert await shop.rows(table, gone) == []
    assert len(await shop.rows("issues", kept)) == 1
    rows = await shop.product.pool.fetch("SELECT project_id FROM lamplighter.github_repositories")
    assert [row["project_id"] for row in rows] == [kept]


async def test_without_any_token_it_says_so(shop: Shop) -> None:
    await shop.project(shop.github.add(tiny()))
    shop.settings["token"] = None
    outcome = await shop.run()
    assert isinstance(outcome, Skipped)
    assert "GITHUB_TOKEN" in outcome.reason
    shop.settings["encryption_key"] = SecretStr("x")
    data = await shop.sync()
    assert "set GITHUB_TOKEN" in data["errors"][0]["error"]


async def test_many_errors_are_counted_and_only_some_named(shop: Shop) -> None:
    for n in range(30):
        await shop.project(f"octocat/missing-{n}")
    await shop.project(shop.github.add(tiny()))
    data = await shop.sync()
    assert (data["projectsSynced"], data["projectsFailed"]) == (1, 30)
    assert len(data["errors"]) == 20


async def test_so_many_projects_at_once(shop: Shop) -> None:
    for n in range(1, 9):
        await shop.project(shop.github.add(tiny(n)))
    order: list[str] = []

    def note(request: web.Request) -> Misfortune | None:
        order.append(request.path.split("/")[3])
        return None

    shop.github.misfortune = note
    assert (await shop.sync(maxConcurrentProjects=2))["projectsSynced"] == 8
    first = {name: order.index(name) for name in order}
    last = {name: len(order) - order[::-1].index(name) for name in order}
    for at in range(len(order)):
        assert sum(first[name] <= at < last[name] for name in first) <= 2
    order.clear()
    await shop.sync(maxConcurrentProjects=1)
    assert sum(a != b for a, b in pairwise(order)) == 7


async def test_who_waits_longest_comes_first(shop: Shop) -> None:
    for n in (1, 2, 3):
        await shop.project(shop.github.add(tiny(n)))
    await shop.sync()
    await shop.product.pool.execute(
        "UPDATE lamplighter.github_repositories SET last_synced_at = last_synced_at"
        " - make_interval(days => github_id::int)"
    )
    await shop.project(shop.github.add(tiny(4)))
    shop.github.forget()
    await shop.sync(maxConcurrentProjects=1)
    names = [a.path.split("/")[3].partition("?")[0] for a in shop.github.asked]
    assert list(dict.fromkeys(names)) == [f"project-{n}" for n in (4, 3, 2, 1)]


async def test_a_spent_quota_is_a_condition_until_it_is_over(shop: Shop) -> None:
    for n in range(1, 6):
        await shop.project(shop.github.add(tiny(n)))
    shop.github.limit = 25
    # One at a time: what is under way already when the last request is answered is refused.
    data = await shop.sync(maxWaitSeconds=0, maxConcurrentProjects=1)
    assert data["projectsPaused"] >= 2
    assert data["projectsFailed"] == 0
    assert shop.github.statuses()[403] == 0
    words = (await conditions(shop))["github"]
    assert words == "the limit of requests of a token is reached until 01:00 UTC"
    [quota] = [dict(row) async for row in sql.quota(shop.product.pool)]
    assert (quota["limit"], quota["remaining"], quota["resource"]) == (25, 0, "core")
    assert TOKEN not in repr(quota)
    # Another run knows it, and asks for nothing.
    asked = len(shop.github.asked)
    await shop.product.pool.execute(
        "UPDATE lamplighter.github_quota SET reset_at = $1", NOW + timedelta(minutes=30)
    )
    data = await shop.sync(maxWaitSeconds=0)
    assert (data["projectsPaused"], len(shop.github.asked)) == (5, asked)
    assert "github" in await conditions(shop)
    # The next hour.
    shop.now = NOW + timedelta(hours=1)
    shop.github.limit = 1000
    data = await shop.sync(maxWaitSeconds=0)
    assert (data["projectsPaused"], data["projectsSynced"]) == (0, 5)
    assert await conditions(shop) == {}


async def test_a_lost_run_stops_all_its_projects(shop: Shop) -> None:
    for n in range(1, 9):
        await shop.project(shop.github.add(tiny(n)))
    with pytest.raises(LeaseLostError):
        await shop.run(commits_left=5)


async def test_progress_and_log_say_how_far_it_is_and_no_secret(shop: Shop) -> None:
    for n in (1, 2):
        await shop.project(shop.github.add(tiny(n)))
    await shop.project("octocat/missing")
    await shop.sync()
    assert sorted(shop.log.events()) == ["github_sync_failed", "github_synced", "github_synced"]
    assert TOKEN not in repr(shop.log.lines)


async def test_a_product_without_issue_tables_is_read_all_the_same(shop: Shop) -> None:
    project = await shop.project(shop.github.add(tiny()))
    await shop.product.pool.execute("DROP TABLE project_github_issues, project_github_prs")
    tables = {n: c for n, c in shop.product.tables.items() if not n.startswith("project_github")}
    shop.product.tables = tables
    assert (await shop.sync())["projectsSynced"] == 1
    assert len(await shop.rows("issues", project)) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"backfillDays": 0},
        {"backfillDays": 3651},
        {"maxPages": 0},
        {"maxRequests": 9},
        {"maxCommitDetails": -1},
        {"maxConcurrentProjects": 33},
        {"maxWaitSeconds": 3601},
        {"project": "octocat"},
        {"noSuch": 1},
    ],
)
def test_parameters_are_held_within_bounds(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GitHubSync.model_validate(params)


def test_work_on_one_project_is_one_at_a_time() -> None:
    one = UUID(int=1)
    assert job.one_for is not None
    assert job.one_for(GitHubSync(project=one)) == f"project:{one}"
    assert job.one_for(GitHubSync()) == "orchestration/github-sync"
