"""Rounds that go wrong half way: what is done again, what is not, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from jobs.orchestration import batch, project, retry_failed
from tests.support import agent_shop
from tests.support.agent_model import calls, eager, for_agent
from tests.support.agent_office import Office
from tests.support.agent_shop import NOW, ago
from tests.support.openai_server import error


async def test_a_look_that_a_cap_prevented_is_none(office: Office) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    await office.shop.set_agent(made, "developer", frequency_hours=168)
    office.shop.policy = replace(office.shop.policy, prices={})
    office.shop.capped(daily_cost_cap_usd=0.001)
    assert (await office.batch())["leftOut"]
    office.shop.capped()
    assert (await office.later())["suggestionsCreated"] == 1, "there is room again"


async def test_a_look_that_nobody_answered_is_none(office: Office) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    await office.shop.set_agent(made, "developer", frequency_hours=168)
    office.model.says = lambda request: error(401)
    assert len((await office.batch())["errors"]) == 1
    for _ in range(3):
        office.shop.now += timedelta(hours=1)
        await office.shop.run(retry_failed.job)
    office.model.says = eager
    assert (await office.later())["suggestionsCreated"] == 1, "the endpoint was away for hours"


async def test_a_look_that_was_answered_badly_is_one(office: Office) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    office.model.says = lambda request: "No."
    assert len((await office.batch())["errors"]) == 1
    await office.later()
    assert office.model.asked == [], "every answer is paid for"


async def test_a_cap_is_named_once_for_all_projects(office: Office) -> None:
    for number in range(4):
        made = await office.shop.project(f"octocat/number-{number}")
        await office.shop.pull(made, title="x" * (number + 1) * 20)
    office.shop.policy = replace(office.shop.policy, prices={})
    office.shop.capped(daily_cost_cap_usd=0.001)
    data = await office.batch()
    assert len(data["leftOut"]) == 1, data["leftOut"]
    assert data["leftOut"][0]["projects"] == 4


async def test_what_is_tried_again_does_not_drag_along_agents_that_are_not_due(
    office: Office,
) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    await office.shop.file(made)
    await office.shop.set_agent(made, "developer", frequency_hours=168)
    await office.shop.set_agent(made, "seo_writer", frequency_hours=6)
    await office.batch()
    # The file is new to the one that is due, and the pull request to the one that is not.
    await office.shop.pull(made, 2, created_at=NOW, updated_at=NOW)
    await office.shop.file(made, sha="e" * 40)
    office.model.says = for_agent(seo_writer=lambda request: error(400))
    await office.shop.set_agent(made, "seo_writer", frequency_hours=6, cooldown_hours=0)
    assert len((await office.later())["errors"]) == 1
    # As if the process had been killed before it came to the other.
    await office.shop.product.pool.execute(
        "DELETE FROM lamplighter.agent_executions WHERE agent = 'developer'"
    )
    office.shop.now += timedelta(minutes=20)
    office.model.says = eager
    office.model.asked.clear()
    data = await office.shop.run(retry_failed.job)
    assert (data["retriedCount"], data["failedJobs"]) == (1, [])
    assert calls(office.model.asked) == {"seo_writer": 2}


async def test_a_batch_that_is_attempted_again_asks_the_agents_that_failed_again(
    office: Office,
) -> None:
    made = await office.shop.project()
    await office.shop.everything(made)
    office.shop.run_id = uuid4()
    office.model.says = for_agent(designer=lambda request: error(400))
    assert len((await office.batch())["errors"]) == 1
    office.model.says = eager
    office.model.asked.clear()
    data = await office.batch()
    assert data["errors"] == []
    assert calls(office.model.asked) == {"designer": 2}
    assert (await office.endings())["designer"] == ("suggested", None)


async def test_a_project_that_was_archived_meanwhile_is_not_tried_again(office: Office) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    office.model.says = lambda request: error(400)
    await office.batch()
    office.shop.now += timedelta(hours=1)
    await office.shop.product.pool.execute("UPDATE projects SET status = 'archived'")
    assert (await office.shop.run(retry_failed.job))["retriedCount"] == 0
    await office.shop.product.pool.execute(
        "UPDATE projects SET status = 'active', github_sync_enabled = false"
    )
    assert (await office.shop.run(retry_failed.job))["retriedCount"] == 0


async def test_what_a_run_left_at_work_is_tried_again(office: Office) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    dead = uuid4()
    pool = office.shop.product.pool
    await agent_shop.sql.add_run(pool, id=dead, status="timed_out", at=NOW, now=NOW)
    await agent_shop.sql.add_unit(pool, project=made, run=dead, at=ago(minutes=30))
    data = await office.shop.run(retry_failed.job)
    assert (data["retriedCount"], data["suggestionsCreated"]) == (1, 1)


async def test_what_an_earlier_attempt_of_this_run_left_at_work_is_tried_again(
    office: Office,
) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    office.shop.run_id = uuid4()
    pool = office.shop.product.pool
    await agent_shop.sql.add_run(
        pool, id=office.shop.run_id, status="running", at=ago(minutes=30), now=NOW
    )
    await agent_shop.sql.add_unit(pool, project=made, run=office.shop.run_id, at=ago(minutes=30))
    data = await office.shop.run(retry_failed.job)
    assert (data["retriedCount"], data["suggestionsCreated"]) == (1, 1)
    assert [row["status"] for row in await office.shop.units()] == ["succeeded"]


async def test_a_call_that_is_attempted_again_after_its_work_says_what_came_of_it(
    office: Office,
) -> None:
    made = await office.shop.project()
    await office.shop.pull(made)
    office.shop.run_id = uuid4()
    first = await office.shop.run(project.job, project_id=made)
    again = await office.shop.run(project.job, project_id=made)
    for key in ("jobId", "status", "agentsExecuted", "agentsSucceeded", "suggestionsCreated"):
        assert again[key] == first[key], key


async def test_a_project_that_is_gone_or_archived_half_way_is_left_out(office: Office) -> None:
    made = {await office.shop.project(f"octocat/number-{number}") for number in range(3)}
    for one in made:
        await office.shop.pull(one)
    pool = office.shop.product.pool

    async def meanwhile() -> None:
        (at_work,) = [row["project_id"] for row in await office.shop.units()]
        archived, deleted = made - {at_work}
        await pool.execute("UPDATE projects SET status = 'archived' WHERE id = $1", archived)
        await pool.execute("DELETE FROM projects WHERE id = $1", deleted)
        office.model.meanwhile = None

    office.model.meanwhile = meanwhile
    data = await office.shop.run(batch.job, max_concurrent_projects=1)
    assert (data["projectsProcessed"], data["projectsSkipped"]) == (1, 2)
    assert len(await office.shop.suggestions()) == 1


async def test_an_agent_that_was_switched_off_half_way_is_not_asked(office: Office) -> None:
    first, second = [await office.shop.project(f"octocat/number-{number}") for number in range(2)]
    for one in (first, second):
        await office.shop.pull(one)

    async def meanwhile() -> None:
        for one in (first, second):
            await office.shop.set_agent(one, "developer", enabled=False)

    office.model.meanwhile = meanwhile
    await office.shop.run(batch.job, max_concurrent_projects=1)
    assert len(await office.shop.suggestions()) == 1
