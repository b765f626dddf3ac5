"""Do the pages of projects show how each stands, and change what they should?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.standing import MEASURED, MOST_WAITING
from agents.standing import sql as standing_sql
from jobs.orchestration.github_sync import job as sync_job
from jobs.orchestration.project import job as project_job
from scheduler.policy import AgentPolicy, AgentSettings
from tests.support.agents import Bench, bench_on
from tests.support.machine import START
from tests.web.browsing import Browser, logged_in
from tests.web.looking import Seen
from tests.web.site import OpenSite, Site
from tests.web.test_suggestion_pages import copies, planned, touched

NOBODY = "00000000-0000-0000-0000-000000000000"
WORKS = {"orchestration/project": project_job, "orchestration/github-sync": sync_job}
VELOCITY = {
    "score": 41.5,
    "previousScore": 30.0,
    "trend": "rising",
    "change": 0.38,
    "components": {
        "commitsPerWeek": {"value": 12, "points": 55.5, "weight": 25, "threshold": 100},
        "firstResponseHours": {"value": None, "points": None, "weight": 10, "threshold": 336},
    },
}


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with bench_on(database) as made:
        made.now = START
        yield made


async def fetched(bench: Bench, **values: Any) -> None:
    """Its repository was read."""
    known = {
        "project_id": bench.project,
        "full_name": "octocat/hello-world",
        "html_url": "https://github.com/octocat/hello-world",
        "last_synced_at": START - timedelta(hours=2),
        "complete": True,
        **values,
    }
    await insert(bench, "github_repositories", **known)


async def measured(bench: Bench, days: int, **velocity: Any) -> None:
    end = START - timedelta(days=days)
    await insert(
        bench,
        "github_analyses",
        project_id=bench.project,
        data_hash=str(uuid4()),
        period_start=end - MEASURED,
        period_end=end,
        data={"velocity": {**VELOCITY, **velocity}},
        analysed_at=end,
    )


async def visited(bench: Bench, hours: int, status: str = "succeeded", **values: Any) -> UUID:
    unit = uuid4()
    at = START - timedelta(hours=hours)
    known = {
        "id": unit,
        "project_id": bench.project,
        "scheduled_for": at,
        "run_id": uuid4(),
        "status": status,
        "phase": "complete",
        "attempts": 1,
        "started_at": at,
        **values,
    }
    await insert(bench, "agent_units", **known)
    return unit


async def said(bench: Bench, unit: UUID, agent: str, status: str, **values: Any) -> None:
    known = {"unit_id": unit, "agent": agent, "status": status, "started_at": START, **values}
    await insert(bench, "agent_executions", **known)


async def insert(bench: Bench, table: str, **values: Any) -> None:
    columns = ", ".join(values)
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await bench.product.pool.execute(
        f"INSERT INTO lamplighter.{table} ({columns}) VALUES ({places})",  # noqa: S608
        *values.values(),
    )


async def recorded(one: Site) -> list[Any]:
    items: list[Any] = (await one.admin("/api/v1/activity")).body["items"]
    return items


async def test_without_projects_it_says_what_comes_next(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    await bench.product.pool.execute("UPDATE projects SET github_repo = NULL")
    assert "No project has a repository." in await browser.page("/projects")


async def test_a_product_without_projects_is_said(site: OpenSite, bench: Bench) -> None:
    await bench.product.pool.execute("ALTER TABLE projects RENAME TO ventures")
    browser = await logged_in(await site())
    assert "the product has no table projects" in await browser.page("/projects")
    assert (await browser.call(f"/projects/{bench.project}")).status == 404
    assert "Nothing waits" in await browser.page("/suggestions")


async def test_the_list_tells_how_each_stands(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    await fetched(bench, error="the token is not taken", error_at=START)
    await measured(bench, 0)
    await visited(bench, 1, "failed")
    await bench.one()
    text = Seen.of(await browser.page("/projects")).text
    for words in ("Lantern", "the token is not taken", "42", "rising", "failed", "1 suggestion"):
        assert words in text, words


async def test_the_list_goes_on_in_pages(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    await bench.product.pool.execute(
        "INSERT INTO projects (name, github_repo) SELECT 'Same', 'o/n' FROM generate_series(1, 60)"
    )
    first = await browser.page("/projects")
    assert first.count(">Same<") + first.count(">Lantern<") == 50
    [more] = [link for link in Seen.of(first).links if "after=" in link]
    rest = await browser.page(more)
    assert rest.count(">Same<") == 11
    assert not [link for link in Seen.of(rest).links if "after=" in link]


async def test_the_api_has_the_same_list(site: OpenSite, bench: Bench) -> None:
    one = await site()
    await bench.product.pool.execute(
        "INSERT INTO projects (name, github_repo)"
        " SELECT 'project-' || n, 'o/n' FROM generate_series(0, 2) AS n"
    )
    names: list[str] = []
    query = "?limit=2"
    while query:
        body = (await one.admin(f"/api/v1/projects{query}")).body
        names += [item["name"] for item in body["items"]]
        query = f"?limit=2&before={body['next']}" if body["next"] else ""
    assert [name for name in names if name.startswith("project-")] == [
        f"project-{n}" for n in range(3)
    ]
    assert len(names) == len(set(names)) == 4
    for odd in ("?before=x", "?limit=0", "?after=1"):
        assert (await one.admin(f"/api/v1/projects{odd}")).status == 422


async def test_the_api_has_the_same_of_one(site: OpenSite, bench: Bench) -> None:
    one = await site()
    there = f"/api/v1/projects/{bench.project}"
    before = (await one.admin(there)).body
    assert (before["velocity"], before["lastVisit"], before["visits"]) == (None, None, [])
    await fetched(bench)
    await measured(bench, 0)
    unit = await visited(bench, 1)
    await said(bench, unit, "tester", "failed")
    await bench.one()
    body = (await one.admin(there)).body
    assert body["velocity"]["score"] == body["trend"][0]["score"] == VELOCITY["score"]
    assert body["suggestionsWaiting"] == 1
    assert [(said["agent"], said["status"]) for said in body["visits"][0]["agents"]] == [
        ("tester", "failed")
    ]
    assert (await one.admin("/api/v1/projects/x")).status == 404


async def test_one_is_shown_with_all_there_is_to_it(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    await fetched(bench)
    for day in range(3):
        await measured(bench, day, score=40.4 + day)
    await insert(
        bench,
        "github_quota",
        token_hash="abcdef0123456789",
        resource="core",
        **{'"limit"': 5000},
        remaining=4321,
        reset_at=START + timedelta(minutes=20),
        seen_at=START,
    )
    await insert(
        bench,
        "github_etags",
        project_id=bench.project,
        token_hash="abcdef0123456789",
        url="/x",
        etag="y",
    )
    unit = await visited(bench, 1)
    await said(bench, unit, "tester", "silent", reason="relevance 0.3 is below 0.5")
    rejected = [{"title": "The same again", "reason": "it was said"}]
    await said(bench, unit, "other", "suggested", suggestions=2, calls=3, rejected=rejected)
    html = await browser.page(f"/projects/{bench.project}")
    seen = Seen.of(html)
    for words in (
        *("octocat/hello-world", "40 of 100", "Velocity score, by day", "commits per week"),
        *("commits per week: 55.5 %", "first response hours: not known", "4,321 of 5,000"),
        *("relevance 0.3 is below 0.5", "2 suggestions", "The same again", "it was said"),
    ):
        assert words in seen.text, words
    assert "https://github.com/octocat/hello-world" in seen.links
    assert "abcdef0123456789" not in html
    assert "abcdef0123" in html
    part = await browser.call(f"/projects/{bench.project}", headers={"HX-Request": "true"})
    assert "relevance 0.3" in part.text
    assert "<html" not in part.text


async def test_the_quota_of_other_projects_tokens_is_not_shown(
    site: OpenSite, bench: Bench
) -> None:
    browser = await logged_in(await site())
    await insert(
        bench,
        "github_quota",
        token_hash="fedcba9876543210",
        resource="core",
        **{'"limit"': 5000},
        remaining=0,
        reset_at=START - timedelta(minutes=1),
        seen_at=START,
    )
    assert "5,000 again" in await browser.page("/projects")
    assert "fedcba9876" not in await browser.page(f"/projects/{bench.project}")


@pytest.mark.parametrize("velocity", [None, [], "x", {"score": "x"}, {"score": True}])
async def test_what_another_version_measured_is_not_shown(
    site: OpenSite, bench: Bench, velocity: Any
) -> None:
    browser = await logged_in(await site())
    for days in range(2):
        await insert(
            bench,
            "github_analyses",
            project_id=bench.project,
            data_hash=str(days),
            period_start=START - MEASURED - timedelta(days=days),
            period_end=START - timedelta(days=days),
            data={"velocity": velocity},
            analysed_at=START,
        )
    assert "Nothing is measured yet." in await browser.page(f"/projects/{bench.project}")


@pytest.mark.parametrize("which", [NOBODY, "x"])
async def test_one_that_is_not_there_is_a_404(site: OpenSite, which: str) -> None:
    browser = await logged_in(await site(WORKS))
    assert (await browser.call(f"/projects/{which}")).status == 404
    for verb in ("go-over", "fetch", "agents/tester", "agents/tester/take-back"):
        assert (await browser.send(f"/projects/{which}/{verb}")).status == 404, verb


async def test_an_agent_that_is_not_there_is_a_404(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    for verb in ("agents/nobody", "agents/nobody/take-back"):
        assert (await browser.send(f"/projects/{bench.project}/{verb}")).status == 404, verb


async def test_visits_go_on_in_pages(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    for hours in range(13):
        await visited(bench, hours)
    there = f"/projects/{bench.project}"
    first = await browser.page(there)
    assert first.count('aria-label="Visit of ') == 10
    [older] = [link for link in Seen.of(first).links if "before=" in link]
    rest = await browser.page(older)
    assert rest.count('aria-label="Visit of ') == 3
    assert (await browser.call(f"{there}?before=yesterday")).status == 422
    for odd in ("2026-01-01", "0001-01-01T00:00%2B23:59", "9999-12-31T23:59-23:59"):
        assert (await browser.call(f"{there}?before={odd}")).status == 422, odd


FORM = {
    "enabled": "true",
    "autonomous_mode": "suggest",
    "frequency_hours": "24",
    "min_confidence_score": "0.5",
    "max_per_run": "3",
    "cooldown_hours": "168",
    "model": "",
    "max_tokens_per_run": "50000",
}


async def settings_of(one: Site, bench: Bench) -> Any:
    return (await one.admin(f"/api/v1/projects/{bench.project}/agents/tester")).body


async def test_settings_are_changed_and_taken_back(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    there = f"/projects/{bench.project}/agents/tester"
    form = {**FORM, "frequency_hours": "48", "min_confidence_score": "0.75", "model": "gpt-x"}
    answer = await browser.send(there, form)
    assert answer.headers["Location"] == f"/projects/{bench.project}#agent-tester"
    now = await settings_of(one, bench)
    assert now["overridden"] == ["frequencyHours", "minConfidenceScore", "model"]
    assert (now["settings"]["frequencyHours"], now["settings"]["model"]) == (48, "gpt-x")
    text = await browser.page(f"/projects/{bench.project}")
    assert "3 set here" in text
    assert "the schedule file has 24" in text
    await browser.send(there, {**form, "model": "", "enabled": ""})
    now = await settings_of(one, bench)
    assert now["overridden"] == ["enabled", "frequencyHours", "minConfidenceScore"]
    await browser.send(f"{there}/take-back", {"field": "frequency_hours"})
    assert (await settings_of(one, bench))["overridden"] == ["enabled", "minConfidenceScore"]
    await browser.send(f"{there}/take-back")
    assert (await settings_of(one, bench))["overridden"] == []
    items = await recorded(one)
    assert [item["action"] for item in items] == ["agent_settings"] * 4
    assert items[-1]["detail"] == {
        "changes": {"frequency_hours": 48, "min_confidence_score": 0.75, "model": "gpt-x"}
    }


async def test_a_mistake_is_named_as_its_field_is(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    there = f"/projects/{bench.project}/agents/tester"
    answer = await browser.send(there, {**FORM, "model": "two words", "frequency_hours": "0"})
    assert answer.status == 422
    text = Seen.of(answer.text).text
    assert "Not set: Hours between looks is out of range" in text
    assert "Not set: Model must be the name of a model" in text
    assert "pattern" not in text
    await browser.send(there, {**FORM, "model": "true"})
    assert (await settings_of(one, bench))["settings"]["model"] == "true"
    assert "Lantern" in await browser.page(there)


async def test_nothing_is_set_by_a_form_that_changes_nothing(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    await browser.send(f"/projects/{bench.project}/agents/tester", FORM)
    assert "nothing was to be changed" in await browser.said(f"/projects/{bench.project}")
    assert await recorded(one) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("frequency_hours", "0", "at least 1 and at most 168"),
        ("frequency_hours", "169", "at least 1 and at most 168"),
        ("frequency_hours", "many", "frequency_hours"),
        ("frequency_hours", "1.5", "frequency_hours"),
        ("frequency_hours", "nan", "frequency_hours"),
        ("min_confidence_score", "1.1", "at least 0 and at most 1"),
        ("min_confidence_score", "nan", "min_confidence_score"),
        ("autonomous_mode", "always", "autonomous_mode"),
        ("model", "a b", "model"),
        ("max_tokens_per_run", "999", "at least 1000 and at most 2000000"),
    ],
)
async def test_what_cannot_be_set_stands_in_the_form_with_what_is_allowed(
    site: OpenSite, bench: Bench, name: str, value: str, words: str
) -> None:
    one = await site()
    browser = await logged_in(one)
    there = f"/projects/{bench.project}/agents/tester"
    answer = await browser.send(there, {**FORM, name: value})
    assert answer.status == 422
    assert "Not set: " in answer.text
    assert words in answer.text
    if name != "autonomous_mode":
        assert value in Seen.of(answer.text).values
    assert (await settings_of(one, bench))["overridden"] == []


async def test_bounds_and_defaults_stand_in_the_form(site: OpenSite, bench: Bench) -> None:
    policy = AgentPolicy(defaults=AgentSettings(frequency_hours=12, model="gpt-y"))
    browser = await logged_in(await site(policy=policy))
    html = await browser.page(f"/projects/{bench.project}")
    assert 'id="tester-frequency_hours" name="frequency_hours" type="number" value="12"' in html
    assert 'min="1" max="168" step="1"' in html
    assert 'value="gpt-y"' in html
    answer = await browser.send(
        f"/projects/{bench.project}/agents/tester/take-back", {"field": "x"}
    )
    assert answer.status == 422


async def begun(browser: Browser, there: str, verb: str) -> str:
    answer = await browser.send(f"{there}/{verb}", {"reason": "to see"})
    assert (answer.status, answer.headers["Location"]) == (303, there)
    return await browser.said(there)


async def test_a_project_is_gone_over_and_fetched(site: OpenSite, bench: Bench) -> None:
    one = await site(WORKS)
    browser = await logged_in(one)
    await fetched(bench)
    there = f"/projects/{bench.project}"
    assert await begun(browser, there, "go-over") == "orchestration/project is done."
    assert await begun(browser, there, "fetch") == (
        "orchestration/github-sync did nothing: GitHub is not configured: set GITHUB_TOKEN."
    )
    runs = await one.machine.record()
    assert {(run.job, run.trigger, run.reason) for run in runs} == {
        ("orchestration/project", "admin", "to see"),
        ("orchestration/github-sync", "admin", "to see"),
    }
    assert {str(bench.project)} == {
        str(run.params.get("project_id") or run.params.get("project")) for run in runs
    }
    assert [item["action"] for item in await recorded(one)] == ["trigger", "trigger"]
    text = await browser.page(there)
    assert text.count('aria-label="Visit of ') == 1
    assert "<b>designer</b>" in text


async def test_no_query_reads_more_than_is_shown(bench: Bench) -> None:
    made = await bench.one()
    await copies(bench, made, 10_000, status="'rejected'")
    await copies(bench, made, 300)
    pool = bench.product.pool
    await fetched(bench)
    await pool.execute(
        "INSERT INTO lamplighter.agent_units (id, project_id, scheduled_for, run_id, status, phase,"
        " attempts, started_at) SELECT gen_random_uuid(), $1, at - n * interval '6 hours',"
        " gen_random_uuid(), 'succeeded', 'complete', 1, at"
        " FROM generate_series(1, 10000) AS n, (SELECT $2 ::timestamptz AS at) AS t",
        bench.project,
        START,
    )
    await pool.execute(
        "INSERT INTO lamplighter.agent_executions (unit_id, agent, status, started_at)"
        " SELECT id, 'tester', 'silent', $1 FROM lamplighter.agent_units",
        START,
    )
    await pool.execute("ANALYZE")
    project = bench.project
    units = [row[0] for row in await pool.fetch("SELECT id FROM lamplighter.agent_units LIMIT 10")]
    async with pool.acquire() as connection:
        for name, values, most in (
            ("standings", (None, 51, MEASURED, MOST_WAITING), 200),
            ("standing_of", (project, MEASURED, MOST_WAITING), 200),
            ("units", (project, None, 11), 50),
            ("units", (project, START - timedelta(days=900), 11), 50),
            ("executions", (units,), 60),
        ):
            query = getattr(standing_sql, name)
            plan = await planned(connection, query, *values)
            assert touched(plan) < most, (name, plan)
