"""Does a sync that a limit or a kill interrupts end with the rows of one that nothing did?"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest

from scheduler.errors import LeaseLostError
from tests.support.github import Misfortune
from tests.support.github_repository import Repository, large
from tests.support.github_shop import Shop, ago

BOTTOMLESS = {"maxRequests": 15_000, "maxPages": 1000}


def history(seed: int = 1) -> Repository:
    return large(issues=250, commits=450, until=ago(days=1), seed=seed)


async def clean(shop: Shop, made: Repository) -> dict[str, Any]:
    """The rows of one sync from beginning to end; of a project of its own."""
    project = await shop.project(shop.github.add(made))
    assert await shop.until_complete(project=project, **BOTTOMLESS) == 1
    return await shop.everything(project)


@pytest.mark.timeout(120)
async def test_a_large_repository_then_nothing_new(shop: Shop) -> None:
    made = shop.github.add(large(issues=10_000, commits=20_000, until=ago(days=1), pulls_every=100))
    project = await shop.project(made)
    data = await shop.sync(**BOTTOMLESS)
    assert len(await shop.rows("commits", project)) == len(made.commits) > 20_000
    assert len(await shop.rows("issues", project)) == 9_900
    # A page for each hundred and one more for where pages meet; nothing was asked for twice.
    assert data["requests"] < 1.05 * shop.github.least(made, commit_details=100)
    assert len({asked.path for asked in shop.github.asked}) == len(shop.github.asked)
    before = await shop.versions()
    shop.github.forget()
    data = await shop.sync()
    assert data["requests"] <= 8
    assert data["unchanged"] >= data["requests"] - 1
    assert await shop.versions() == before


@pytest.mark.parametrize("bounds", [{"maxRequests": 50}, {"maxPages": 1}])
async def test_a_bounded_run_leaves_the_rest_to_later_ones_with_the_same_rows(
    shop: Shop, bounds: dict[str, int]
) -> None:
    made = history()
    whole = await clean(shop, made)
    project = await shop.project(made)
    shop.github.forget()
    data = await shop.sync(project=project, **bounds)
    assert data["projectsPaused"] == 1
    row = await shop.repository(project)
    assert (row["complete"], row["last_synced_at"], row["error"]) == (False, None, None)
    runs = 1 + await shop.until_complete(project=project, **bounds)
    assert runs > 2
    if "maxRequests" in bounds:
        assert runs >= len(shop.github.asked) / 50 - 1
    assert await shop.everything(project) == whole
    assert (await shop.repository(project))["complete"]


async def test_the_tokens_quota_ends_a_run_and_the_next_hour_goes_on(shop: Shop) -> None:
    made = history()
    whole = await clean(shop, made)
    project = await shop.project(made)
    for _ in range(20):
        shop.github.forget()  # the next hour
        shop.github.limit = 60
        await shop.product.pool.execute("DELETE FROM lamplighter.github_quota")
        data = await shop.sync(project=project, maxWaitSeconds=0, **BOTTOMLESS)
        statuses = shop.github.statuses()
        assert statuses[200] <= 60
        assert statuses[403] == 0, "who knows that the quota is spent does not ask"
        if not data["projectsPaused"]:
            break
    assert (await shop.repository(project))["complete"]
    assert await shop.everything(project) == whole


@pytest.mark.timeout(120)
async def test_a_run_that_is_killed_at_any_instant_and_run_again(shop: Shop) -> None:
    made = history()
    whole = await clean(shop, made)
    chance = random.Random(7)
    for _ in range(14):
        project = await shop.project(made)
        kills = 0
        while kills < 4:
            with pytest.raises(LeaseLostError):
                await shop.run(project=project, commits_left=chance.randrange(1, 40), **BOTTOMLESS)
            kills += 1
        await shop.until_complete(project=project, **BOTTOMLESS)
        assert await shop.everything(project) == whole


@pytest.mark.timeout(120)
async def test_a_run_that_is_cancelled_at_any_instant_and_run_again(shop: Shop) -> None:
    made = history()
    whole = await clean(shop, made)
    chance = random.Random(11)
    for _ in range(8):
        project = await shop.project(made)
        for _ in range(3):
            asked = len(shop.github.asked)
            stop_after = chance.randrange(1, 60)
            task = asyncio.create_task(shop.run(project=project, **BOTTOMLESS))
            while not task.done() and len(shop.github.asked) < asked + stop_after:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await shop.until_complete(project=project, **BOTTOMLESS)
        assert await shop.everything(project) == whole


@pytest.mark.timeout(120)
async def test_what_is_gone_is_noticed_whenever_the_run_before_was_killed(shop: Shop) -> None:
    made = shop.github.add(large(issues=40, commits=3, until=ago(days=1)))
    gone = [n for n, item in made.items.items() if item.closed is None][:6]
    for commits in range(1, 12):
        for number in gone:
            made.deleted.discard(number)
        project = await shop.project(made)
        await shop.until_complete(project=project)
        kept = {number: made.items[number] for number in gone}
        for number in gone:
            made.delete(number)
        with contextlib.suppress(LeaseLostError):
            await shop.run(project=project, commits_left=commits)
        await shop.until_complete(project=project)
        rows = [*await shop.rows("issues", project), *await shop.rows("pulls", project)]
        left = {row["number"] for row in rows if not row.get("gone")}
        assert not left & set(gone), f"killed after {commits} commits"
        for item in kept.values():
            made.put(item)


async def test_errors_of_githubs_own_in_the_middle_change_no_row(shop: Shop) -> None:
    made = history()
    whole = await clean(shop, made)
    project = await shop.project(made)
    chance = random.Random(3)
    fates = [Misfortune(500), Misfortune(503, body="<html>"), Misfortune(cut=True)]
    shop.github.misfortune = lambda _: chance.choice(fates) if chance.random() < 0.02 else None
    for _ in range(60):
        # Whatever is not answered at the first try ends the run.
        data = await shop.run_impatient(project=project, **BOTTOMLESS)
        if data == "complete":
            break
    assert (await shop.repository(project))["complete"]
    assert await shop.everything(project) == whole
