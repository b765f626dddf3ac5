"""A dry run says what a batch would do, and leaves everything as it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest

import agents
from agents.dry_run import Rehearsed, find_project, left_today, rehearse
from agents.kit.gate import Quiet, Shown
from agents.kit.purse import open_unrecorded, spent_on
from agents.kit.registry import find_agents
from agents.kit.spending import ALL
from agents.kit.suggest import keep
from scheduler.db.looking import ReadOnlyDatabase
from scheduler.errors import NotFoundError
from scheduler.job import JobContext
from scheduler.policy import AgentCaps, AgentSettings
from tests.support.agent_shop import NOW, REPOSITORY, AgentShop
from tests.support.jobs import Product, product
from tests.support.openai_answers import Request, sensible, silent
from tests.support.openai_server import error, model_double

AGENTS = find_agents(agents)


@pytest.fixture
async def shop(database: str) -> AsyncIterator[AgentShop]:
    async with product(database) as made:
        yield AgentShop(made)


@asynccontextmanager
async def looking(shop: AgentShop) -> AsyncIterator[JobContext]:
    async with shop.product.pool.acquire() as connection:
        yield replace(
            shop.context(), db=ReadOnlyDatabase(cast("asyncpg.Connection[Any]", connection))
        )


async def dry(
    shop: AgentShop,
    named: str,
    says: Callable[[Request], Any] | None = sensible,
    *,
    force: bool = False,
    most: Decimal = Decimal(1),
) -> dict[str, Rehearsed]:
    if says is None:
        async with looking(shop) as ctx:
            candidate, site = await find_project(ctx, AGENTS, named)
            found = await rehearse(ctx, AGENTS, candidate, site, None, force=force)
        return {one.agent: one for one in found}
    async with model_double(says=says) as double:
        shop.model_url = double.url
        async with looking(shop) as ctx, open_unrecorded(ctx, most) as model:
            candidate, site = await find_project(ctx, AGENTS, named)
            found = await rehearse(ctx, AGENTS, candidate, site, model, force=force)
    return {one.agent: one for one in found}


async def everything(made: Product) -> dict[str, str]:
    """Every row of every table of ours, as text."""
    tables = await made.pool.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'lamplighter' ORDER BY 1"
    )
    return {
        table: str(
            await made.pool.fetch(f'SELECT t::text FROM lamplighter."{table}" t ORDER BY 1')  # noqa: S608
        )
        for (table,) in tables
    }


async def test_each_agent_says_what_it_would_suggest_and_nothing_is_written(
    shop: AgentShop,
) -> None:
    project = await shop.project()
    await shop.everything(project)
    before = await everything(shop.product)
    found = await dry(shop, str(project))
    assert await everything(shop.product) == before
    assert set(found) == set(AGENTS)
    for slug, one in found.items():
        assert isinstance(one.gate, Shown), slug
        assert one.ending is not None
        assert one.ending.status == "suggested", (slug, one.ending)
        assert [asked.purpose for asked in one.questions] == ["score", "propose"]
        assert REPOSITORY in one.questions[0].user
        assert one.usage.calls == 2
        assert len(one.suggestions) + len(one.rejected) == 1
    [review] = found["developer"].suggestions
    assert review.action == {"type": "review", "repository": REPOSITORY, "number": 11}


async def test_a_project_is_named_as_people_name_it(shop: AgentShop) -> None:
    project = await shop.project()
    other = await shop.project("octocat/other")
    async with looking(shop) as ctx:
        for named in (str(project), REPOSITORY, REPOSITORY.upper()):
            candidate, site = await find_project(ctx, AGENTS, named)
            assert (candidate.project.id, site.repository) == (project, REPOSITORY)
        assert (await find_project(ctx, AGENTS, "octocat/other"))[0].project.id == other
        for named in ("octocat/nothing", str(uuid4()), "'; DROP TABLE projects; --"):
            with pytest.raises(NotFoundError, match="there is no project"):
                await find_project(ctx, AGENTS, named)


async def test_two_projects_of_one_repository_are_told_apart_by_id(shop: AgentShop) -> None:
    projects = {await shop.project(), await shop.project()}
    async with looking(shop) as ctx:
        with pytest.raises(NotFoundError, match="several projects") as raised:
            await find_project(ctx, AGENTS, REPOSITORY)
    assert all(str(one) in str(raised.value) for one in projects)


async def test_a_project_that_was_never_fetched_says_so(shop: AgentShop) -> None:
    project = await shop.project(fetched=False)
    async with looking(shop) as ctx:
        with pytest.raises(NotFoundError, match="nothing was fetched"):
            await find_project(ctx, AGENTS, str(project))


async def test_without_a_model_the_first_step_and_the_first_question(shop: AgentShop) -> None:
    project = await shop.project()
    await shop.pull(project, 11)
    found = await dry(shop, str(project), None)
    assert isinstance(found["developer"].gate, Shown)
    [asked] = found["developer"].questions
    assert (asked.purpose, "pull:11" in asked.user) == ("score", True)
    assert isinstance(found["marketer"].gate, Quiet)
    assert found["marketer"].questions == ()


async def test_what_a_batch_would_skip_is_skipped(shop: AgentShop) -> None:
    project = await shop.project()
    await shop.pull(project, 11)
    await shop.issue(project, 22)
    await shop.set_agent(project, "researcher", enabled=False)
    await looked(shop.product, project, "developer")
    found = await dry(shop, str(project))
    assert found["researcher"].gate == Quiet("it is off for this project", whatever_there_is=True)
    assert found["developer"].gate == Quiet("not due: it looks every 24 h", whatever_there_is=True)
    forced = await dry(shop, str(project), force=True)
    assert isinstance(forced["developer"].gate, Shown)
    assert isinstance(forced["researcher"].gate, Quiet)


async def looked(made: Product, project: UUID, agent: str) -> None:
    await made.pool.execute(
        "INSERT INTO lamplighter.agent_looks (project_id, agent, looked_for) VALUES ($1, $2, $3)",
        *(project, agent, NOW),
    )


async def test_what_was_said_before_is_not_suggested(shop: AgentShop) -> None:
    """Within the cooldown of another agent's look, or rejected: the checks of a batch hold."""
    project = await shop.project()
    await shop.pull(project, 11)
    first = await dry(shop, str(project))
    [fit] = first["developer"].suggestions
    gate = first["developer"].gate
    assert isinstance(gate, Shown)
    ending = first["developer"].ending
    assert ending is not None
    ctx = shop.context()
    async with ctx.db.transaction() as connection:
        kept = await keep(
            ctx,
            connection,
            "developer",
            AGENTS["developer"],
            project=project,
            unit=uuid4(),
            settings=AgentSettings(),
            items=gate.items,
            scores={},
            proposals=ending.proposals,
            repository=REPOSITORY,
        )
    assert len(kept.suggestions) == 1
    await shop.set_agent(project, "developer", cooldown_hours=0)
    again = (await dry(shop, str(project)))["developer"]
    assert again.suggestions == ()
    [(title, why)] = again.rejected
    assert title == fit.title
    assert why.startswith("developer said so on 2026-01-31")


async def test_the_same_twice_in_one_answer_is_one(shop: AgentShop) -> None:
    project = await shop.project()
    await shop.pull(project, 11)

    def says(request: Request) -> str:
        said = json.loads(sensible(request))
        if "suggestions" in said:
            [one] = said["suggestions"]
            said["suggestions"] = [one, {**one, "title": "In other words, the very same"}]
        return json.dumps(said)

    found = (await dry(shop, str(project), says))["developer"]
    assert len(found.suggestions) == 1
    assert found.rejected == (("In other words, the very same", "another of these says so"),)


async def test_low_scores_are_shown_and_failures_are_said(shop: AgentShop) -> None:
    project = await shop.project()
    await shop.pull(project, 11)
    quiet = (await dry(shop, str(project), silent))["developer"]
    assert quiet.ending is not None
    assert (quiet.ending.status, quiet.usage.calls) == ("silent", 1)
    assert quiet.ending.scores is not None
    assert quiet.ending.scores.value == 0
    failed = (await dry(shop, str(project), lambda _: error(401)))["developer"]
    assert failed.ending is not None
    assert failed.ending.status == "failed"


async def test_what_the_days_caps_leave_is_the_most_that_it_may_cost(shop: AgentShop) -> None:
    project = await shop.project()
    shop.capped(daily_cost_cap_usd=5, project_daily_cost_cap_usd=2, run_cost_cap_usd=3)
    other = uuid4()

    async def left() -> Decimal:
        async with looking(shop) as ctx:
            return await left_today(ctx, project)

    async def spend(whose: UUID, cost: str) -> None:
        await shop.product.pool.execute(
            "INSERT INTO lamplighter.model_spending VALUES ($1, $2, 1, 1, 1, $3)",
            *(NOW.date(), whose, Decimal(cost)),
        )

    assert await left() == 2
    await spend(other, "1.5")
    assert await left() == 2
    await spend(project, "0.75")
    assert await left() == Decimal("1.25")
    await spend(ALL, "4.5")
    assert await left() == Decimal("0.5")
    async with shop.product.pool.acquire() as connection:
        assert await spent_on(connection, NOW.date(), project) == (Decimal("4.5"), Decimal("0.75"))
    shop.policy = replace(shop.policy, caps=AgentCaps(daily_cost_cap_usd=4))
    assert await left() == 0
    shop.policy = replace(shop.policy, prices={})
    await shop.pull(project, 11)
    capped = (await dry(shop, str(project), most=await left()))["developer"]
    assert capped.ending is not None
    assert (capped.ending.status, capped.usage.calls) == ("skipped", 0)
    assert "the cost cap of $0 is reached" in (capped.ending.reason or "")
