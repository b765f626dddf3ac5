"""Are a project's own settings kept over those of the schedule file, typed, in bounds, by agent?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

import agents
from agents.kit.agent import Agent
from agents.kit.registry import AgentRegistryError, find_agents
from agents.settings import AgentOfProject, get, put, settings_of
from scheduler.errors import NotFoundError
from scheduler.params import ParamsError
from scheduler.policy import AgentPolicy, AgentSettings, AutonomousMode
from tests.support.agents import AGENTS, NOW
from tests.support.github_shop import Shop
from tests.support.jobs import product

POLICY = AgentPolicy(defaults=AgentSettings(max_per_run=5, model="small"))


async def change(shop: Shop, project: UUID, agent: str = "tester", **changes: Any) -> Any:
    ctx = shop.context()
    async with ctx.db.transaction() as connection:
        return await put(
            connection,
            *(ctx.tables, POLICY, AGENTS, project, agent, changes),
            by="admin:1",
            now=NOW,
        )


async def shown(
    shop: Shop, project: UUID, agent: str = "tester", policy: AgentPolicy = POLICY
) -> AgentOfProject:
    ctx = shop.context()
    async with ctx.db.transaction() as connection:
        return await get(connection, ctx.tables, policy, AGENTS, project, agent)


async def test_without_any_of_its_own_a_project_has_the_files(shop: Shop) -> None:
    project = await shop.project()
    found = await shown(shop, project)
    assert found == AgentOfProject(project, "tester", POLICY.defaults, frozenset())


async def test_what_is_set_counts_and_the_rest_is_the_files(shop: Shop) -> None:
    project = await shop.project()
    made = await change(shop, project, maxPerRun=2, autonomous_mode="auto_approve")
    assert made == await shown(shop, project)
    assert made.settings.max_per_run == 2
    assert made.settings.autonomous_mode is AutonomousMode.AUTO_APPROVE
    assert made.settings.model == "small"
    assert made.overridden == {"max_per_run", "autonomous_mode"}
    assert (made.updated_at, made.updated_by) == (NOW, "admin:1")
    other = AgentPolicy(defaults=AgentSettings(cooldown_hours=7, max_per_run=9))
    later = await shown(shop, project, policy=other)
    assert (later.settings.cooldown_hours, later.settings.max_per_run) == (7, 2)


async def test_part_of_them_may_be_changed_and_null_takes_one_back(shop: Shop) -> None:
    project = await shop.project()
    await change(shop, project, max_per_run=2, cooldown_hours=1)
    await change(shop, project, min_confidence_score=0.9)
    made = await change(shop, project, maxPerRun=None)
    assert made.overridden == {"cooldown_hours", "min_confidence_score"}
    assert made.settings.max_per_run == 5
    gone = await change(shop, project, cooldown_hours=None, min_confidence_score=None)
    assert (gone.overridden, gone.updated_by) == (frozenset(), None)
    assert await shop.product.pool.fetchval("SELECT count(*) FROM lamplighter.agent_settings") == 0


async def test_all_of_them_may_be_given_and_only_what_differs_is_kept(shop: Shop) -> None:
    project = await shop.project()
    whole = POLICY.defaults.model_copy(update={"frequency_hours": 6})
    made = await change(shop, project, **whole.model_dump(mode="json", by_alias=True))
    assert made.overridden == {"frequency_hours"}
    kept = await shop.product.pool.fetchval("SELECT settings FROM lamplighter.agent_settings")
    assert kept == {"frequency_hours": 6}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frequencyHours": 0}, "frequencyHours: is out of range; allowed is at least 1"),
        ({"frequency_hours": 169}, "at most 168"),
        ({"min_confidence_score": 1.1}, "at most 1"),
        ({"autonomous_mode": "merge"}, "must be one of"),
        ({"autoMerge": True}, "'autoMerge' is not a setting of an agent"),
        ({"autoMerge": None}, "'autoMerge' is not a setting of an agent"),
        ({"max_per_run": "many"}, "must be a whole number"),
        ({"max_per_run": 2, "maxPerRun": None}, "is the same as"),
        ({"enabled": "perhaps"}, "must be true or false"),
        ({"model": "a b"}, "model"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_and_changes_nothing(
    shop: Shop, changes: dict[str, Any], words: str
) -> None:
    project = await shop.project()
    await change(shop, project, max_per_run=2)
    with pytest.raises(ParamsError, match=words):
        await change(shop, project, cooldown_hours=3, **changes)
    assert (await shown(shop, project)).overridden == {"max_per_run"}


async def test_an_unknown_project_or_agent_is_not_found(shop: Shop, database_b: str) -> None:
    project = await shop.project()
    with pytest.raises(NotFoundError, match="there is no project"):
        await change(shop, uuid4(), max_per_run=2)
    with pytest.raises(NotFoundError, match="there is no agent 'nobody'; there are other, tester"):
        await shown(shop, project, "nobody")
    async with product(database_b) as lean:
        assert "projects" not in lean.tables
        with pytest.raises(NotFoundError, match="there is no project"):
            await shown(Shop(lean, shop.github), project)


async def test_of_all_agents_at_once(shop: Shop) -> None:
    project, neighbour = await shop.project(), await shop.project()
    await change(shop, project, enabled=False)
    async with shop.context().db.transaction() as connection:
        found = await settings_of(connection, POLICY, project)
        others = await settings_of(connection, POLICY, neighbour)
    assert found["tester"].enabled is False
    assert found["other"] == others["tester"] == POLICY.defaults


async def test_two_changes_at_once_are_both_kept(shop: Shop) -> None:
    project = await shop.project()
    await asyncio.gather(
        change(shop, project, max_per_run=1),
        change(shop, project, cooldown_hours=2),
        change(shop, project, enabled=False),
    )
    assert (await shown(shop, project)).overridden == {"max_per_run", "cooldown_hours", "enabled"}


async def test_what_an_older_version_has_kept_and_is_no_longer_allowed_is_not_in_force(
    shop: Shop,
) -> None:
    project = await shop.project()
    await shop.product.pool.execute(
        "INSERT INTO lamplighter.agent_settings VALUES ($1, 'tester', $2, $3, 'x')",
        project,
        {"frequency_hours": 1000, "bygone": 1, "max_per_run": 1},
        NOW - timedelta(days=300),
    )
    assert (await shown(shop, project)).overridden == {"max_per_run"}


def test_agents_are_found_by_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "made_agents"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "seo_writer.py").write_text("from tests.support.agents import AGENT as agent\n")
    (package / "shared.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import made_agents  # type: ignore[import-not-found]

    assert list(find_agents(made_agents)) == ["seo_writer"]
    (package / "broken.py").write_text("agent = 1\n")
    with pytest.raises(AgentRegistryError, match=r"broken\.py: `agent` must be"):
        find_agents(made_agents)


def test_what_agents_share_is_no_agent() -> None:
    assert all(isinstance(agent, Agent) for agent in find_agents(agents).values())
    assert not {"settings", "approvals", "publish"} & find_agents(agents).keys()
