"""Does the admin API show what agents suggest, and take people's decisions, on the record?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.kit.suggest import EXPIRES
from jobs.orchestration.publish import job as publish_job
from scheduler.policy import AgentPolicy, AgentSettings, AutoPublish
from tests.support.agents import AGENTS, Bench, bench_on, proposal
from tests.support.machine import START
from tests.web.site import CRON, OpenSite, Site

SHOWN = {
    *("id", "project", "agent", "kind", "status", "title", "body", "evidence", "scores"),
    *("confidence", "action", "shownHash", "createdAt", "expiresAt", "approvedAt", "decidedAt"),
    *("decidedBy", "decidedFrom", "decisionReason", "publishing", "publishedAt", "publishedUrl"),
    *("publishError", "isSample"),
}
AT = START.isoformat()
NOBODY = "00000000-0000-0000-0000-000000000000"
WHY = {"reason": "it is right"}


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with bench_on(database) as made:
        made.now = START
        yield made


async def post(one: Site, suggestion: UUID, verb: str, **options: Any) -> Any:
    return await one.admin(f"/api/v1/suggestions/{suggestion}/{verb}", "POST", **options)


async def recorded(one: Site) -> list[tuple[str, str | None, str | None]]:
    items = (await one.admin("/api/v1/activity")).body["items"]
    assert all(item["source"] == "127.0.0.1" and item["at"] for item in items)
    return [(item["action"], item["target"], item["reason"]) for item in items]


async def test_the_list_is_in_pages_and_has_filters(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = [
        await bench.one(f"Matter number {n} of five", f"issue:{n}", kind="chore") for n in range(5)
    ]
    newest = [str(each) for each in reversed(made)]
    answer = await one.admin("/api/v1/suggestions?limit=2")
    assert answer.status == 200
    assert [item["id"] for item in answer.body["items"]] == newest[:2]
    assert set(answer.body["items"][0]) == SHOWN
    rest = await one.admin(f"/api/v1/suggestions?limit=200&before={answer.body['next']}")
    assert [item["id"] for item in rest.body["items"]] == newest[2:]
    assert rest.body["next"] is None
    await post(one, made[0], "reject")
    for query, found in (
        ("status=rejected", newest[-1:]),
        (f"project={bench.project}&status=pending", newest[:-1]),
        (f"project={uuid4()}", []),
        ("agent=tester", newest),
        ("agent=nobody", []),
    ):
        body = (await one.admin(f"/api/v1/suggestions?{query}")).body
        assert [item["id"] for item in body["items"]] == found, query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=merged", "status must be one of pending, approved"),
        ("project=lantern", "project must be the id of a project"),
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("kind=x", "unknown: kind; allowed: status, project, agent, limit, before"),
    ],
)
async def test_a_list_of_something_else_is_422(site: OpenSite, query: str, words: str) -> None:
    answer = await (await site()).admin(f"/api/v1/suggestions?{query}")
    assert answer.status == 422
    assert words in answer.error


async def test_one_is_shown_with_its_evidence_and_history(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = await bench.one("The parser has no tests", "pull:12", kind="pr_review")
    body = (await one.admin(f"/api/v1/suggestions/{made}")).body
    assert set(body) == SHOWN | {"events"}
    assert (body["status"], body["createdAt"]) == ("pending", AT)
    assert body["expiresAt"] == (START + EXPIRES).isoformat()
    assert body["action"] == {
        "type": "review",
        "repository": "octocat/hello-world",
        "number": 12,
    }
    [evidence] = body["evidence"]
    assert (evidence["ref"], evidence["author"]) == ("pull:12", "octocat")
    assert evidence["url"].startswith("https://github.com/")
    assert [event["action"] for event in body["events"]] == ["created"]


async def test_decisions_are_answered_and_recorded(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = await bench.one()
    edited = await post(one, made, "edit", json={"title": "Say it shorter", "reason": "too long"})
    assert (edited.status, edited.body["title"]) == (200, "Say it shorter")
    shown = edited.body["shownHash"]
    approved = await post(one, made, "approve", json={"shownHash": shown, **WHY})
    assert approved.status == 200
    assert (approved.body["status"], approved.body["decidedBy"]) == ("approved", "admin")
    assert (approved.body["decidedFrom"], approved.body["decisionReason"]) == (
        *("127.0.0.1", "it is right"),
    )
    assert approved.body["approvedAt"] == AT
    rejected = await post(one, made, "reject", json={"reason": "we know"})
    assert rejected.body["status"] == "rejected"
    assert await recorded(one) == [
        ("reject", f"suggestion {made}", "we know"),
        ("approve", f"suggestion {made}", "it is right"),
        ("edit", f"suggestion {made}", "too long"),
    ]
    detail = (await one.admin("/api/v1/activity")).body["items"][1]["detail"]
    assert detail == {
        "project": str(bench.project),
        "agent": "tester",
        "kind": "report",
        "shownHash": shown,
    }
    events = (await one.admin(f"/api/v1/suggestions/{made}")).body["events"]
    assert [(event["action"], event["by"], event["source"]) for event in events[1:]] == [
        (action, "admin", "127.0.0.1") for action in ("edited", "approved", "rejected")
    ]


async def test_what_cannot_be_decided_is_409_and_not_recorded(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = await bench.one()
    for name in ("shownHash", "shown_hash"):
        stale = await post(one, made, "approve", json={name: "of something else"})
        assert (stale.status, stale.error) == (
            *(409, "it was changed after it was shown; look at it again"),
        )
    unknown = await post(one, made, "approve", json={"hash": "x"})
    assert (unknown.status, unknown.error) == (422, "hash: unknown; allowed are reason, shownHash")
    assert (await post(one, made, "publish")).error == (
        "it is pending; what is approved can be published"
    )
    await post(one, made, "reject")
    for verb, options in (("approve", {}), ("reject", {}), ("edit", {"json": {"title": "Longer"}})):
        answer = await post(one, made, verb, **options)
        assert answer.status == 409
        assert "it was rejected by admin at 20" in answer.error
    assert [action for action, _, _ in await recorded(one)] == ["reject"]


async def test_two_people_at_once(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = await bench.one()
    answers = await asyncio.gather(*(post(one, made, "approve") for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert [action for action, _, _ in await recorded(one)] == ["approve"]


@pytest.mark.parametrize("suggestion", [NOBODY, "nonsense"])
async def test_what_is_not_there_is_404(site: OpenSite, suggestion: str) -> None:
    one = await site()
    path = f"/api/v1/suggestions/{suggestion}"
    assert (await one.admin(path)).error == "there is no such suggestion"
    for verb in ("approve", "reject", "publish"):
        assert (await one.admin(f"{path}/{verb}", "POST")).status == 404
    assert (await one.admin(f"{path}/edit", "POST", json={"title": "Longer"})).status == 404
    assert await recorded(one) == []


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("edit", {}, None),
        ("edit", {"title": "No"}, "title"),
        ("edit", {"body": "<!-- lamplighter:1 --> and so on"}, "body"),
        ("edit", {"action": {"type": "merge"}}, "action"),
        ("approve", {"reason": 7}, "reason"),
        ("reject", {"reason": "x" * 501}, "reason"),
    ],
)
async def test_bodies_that_cannot_be_are_422(
    site: OpenSite, bench: Bench, verb: str, body: dict[str, Any], field: str | None
) -> None:
    one = await site()
    made = await bench.one()
    answer = await post(one, made, verb, json=body)
    assert answer.status == 422
    assert field is None or field in answer.body["fields"]
    assert (await bench.row(made))["status"] == "pending"


async def test_many_are_rejected_at_once(site: OpenSite, bench: Bench) -> None:
    one = await site()
    made = [
        str(await bench.one(f"Matter number {n} of three", f"issue:{n}", kind="chore"))
        for n in range(3)
    ]
    nobody = str(uuid4())
    answer = await one.admin(
        "/api/v1/suggestions/reject",
        "POST",
        json={"ids": [made[0], nobody, made[2]], "reason": "noise"},
    )
    assert answer.body == {
        "rejected": [made[0], made[2]],
        "refused": [{"id": nobody, "error": "there is no such suggestion"}],
    }
    assert await recorded(one) == [("reject", "2 suggestions", "noise")]
    for ids in ([], ["x"], [made[0]] * 201, None):
        assert (
            await one.admin("/api/v1/suggestions/reject", "POST", json={"ids": ids})
        ).status == 422


async def test_publishing_is_a_run_of_its_job(site: OpenSite, bench: Bench) -> None:
    one = await site({"orchestration/publish": publish_job})
    made = await bench.one("Billing needs work", "issue:7", kind="chore")
    await post(one, made, "approve")
    answer = await post(one, made, "publish", json={"reason": "go"})
    assert answer.status == 200, answer.text
    assert answer.body["data"]["status"] == "published"
    run = (await one.admin(f"/api/v1/runs/{answer.body['runId']}")).body
    assert (run["job"], run["trigger"], run["status"]) == (
        *("orchestration/publish", "admin", "succeeded"),
    )
    assert run["params"] == {"suggestion": str(made)}
    assert run["reason"] == "go"
    shown = (await one.admin(f"/api/v1/suggestions/{made}")).body
    assert (shown["status"], shown["publishedAt"]) == ("published", AT)
    assert await bench.product.pool.fetchval("SELECT title FROM todos") == "Billing needs work"
    assert [action for action, _, _ in await recorded(one)] == ["trigger", "publish", "approve"]
    again = await post(one, made, "publish")
    assert (again.status, again.error) == (
        *(409, "it is published; what is approved can be published"),
    )


async def test_what_cannot_be_published_says_why(site: OpenSite, bench: Bench) -> None:
    one = await site({"orchestration/publish": publish_job})
    made = await bench.one("Billing needs work", "issue:7")
    await post(one, made, "approve")
    answer = await post(one, made, "publish")
    assert answer.status == 500
    assert "no token: set GITHUB_TOKEN" in answer.error
    shown = (await one.admin(f"/api/v1/suggestions/{made}")).body
    assert (shown["status"], shown["publishError"][:8]) == ("publish_failed", "no token")
    await bench.product.pool.execute(
        "UPDATE lamplighter.suggestions SET is_sample = true, status = 'approved'"
    )
    sample = await post(one, made, "publish")
    assert sample.status == 409
    assert "a sample is never published" in sample.error


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("suggestions", "GET"),
        (f"suggestions/{NOBODY}/approve", "POST"),
        ("suggestions/reject", "POST"),
        ("agents", "GET"),
        ("agents/auto-publish", "POST"),
        (f"projects/{NOBODY}/agents/tester", "PUT"),
    ],
)
async def test_the_crontabs_secret_does_not_open_them(
    site: OpenSite, path: str, method: str
) -> None:
    one = await site()
    for secret in (CRON, None):
        assert (await one.call(f"/api/v1/{path}", method, secret=secret)).status == 401


async def test_settings_of_a_projects_agent(site: OpenSite, bench: Bench) -> None:
    one = await site()
    path = f"/api/v1/projects/{bench.project}/agents/tester"
    shown = (await one.admin(path)).body
    assert shown["settings"] == shown["defaults"]
    assert shown["settings"]["maxPerRun"] == AgentSettings().max_per_run
    assert (shown["overridden"], shown["updatedBy"]) == ([], None)
    assert shown["schema"]["properties"]["frequencyHours"]["maximum"] == 168
    made = await one.admin(path, "PUT", json={"maxPerRun": 1, "autonomous_mode": "auto_approve"})
    assert made.status == 200
    assert made.body["overridden"] == ["autonomousMode", "maxPerRun"]
    assert (made.body["updatedAt"], made.body["updatedBy"]) == (AT, "admin:127.0.0.1")
    assert (await one.admin(path)).body == made.body
    back = await one.admin(path, "PUT", json={"maxPerRun": None})
    assert back.body["overridden"] == ["autonomousMode"]
    assert [action for action, _, _ in await recorded(one)] == ["agent_settings"] * 2
    assert (await recorded(one))[0][1] == f"tester of project {bench.project}"


@pytest.mark.parametrize(
    ("project", "agent", "body", "status", "words"),
    [
        ("its", "tester", {"frequencyHours": 0}, 422, "frequencyHours: is out of range"),
        ("its", "tester", {"push": True}, 422, "'push' is not a setting of an agent"),
        ("its", "nobody", {}, 404, "there is no agent 'nobody'"),
        (NOBODY, "tester", {}, 404, "there is no project"),
        ("x", "tester", {}, 404, "there is no such project"),
    ],
)
async def test_settings_that_cannot_be(
    site: OpenSite,
    bench: Bench,
    project: str,
    agent: str,
    body: dict[str, Any],
    status: int,
    words: str,
) -> None:
    one = await site()
    where = bench.project if project == "its" else project
    answer = await one.admin(f"/api/v1/projects/{where}/agents/{agent}", "PUT", json=body)
    assert answer.status == status
    assert words in answer.error
    assert await recorded(one) == []


async def test_the_switch_stops_publishing_without_approval(site: OpenSite, bench: Bench) -> None:
    one = await site(policy=AgentPolicy(auto_publish=AutoPublish(enabled=True)))
    path = "/api/v1/agents/auto-publish"
    assert (await one.admin("/api/v1/agents")).body["autoPublish"] == {
        "enabled": True,
        "inScheduleFile": True,
        "off": None,
    }
    off = await one.admin(path, "POST", json={"enabled": False, "reason": "odd posts"})
    assert off.body == {
        "enabled": False,
        "inScheduleFile": True,
        "off": {"since": AT, "by": "admin:127.0.0.1", "reason": "odd posts"},
    }
    again = await one.admin(path, "POST", json={"enabled": False, "reason": "another"})
    assert again.body["off"]["reason"] == "odd posts"
    on = await one.admin(path, "POST", json={"enabled": True})
    assert (on.body["enabled"], on.body["off"]) == (True, None)
    assert (await one.admin(path, "POST", json={})).status == 422
    assert [action for action, _, _ in await recorded(one)] == ["auto_publish"] * 3


async def test_what_came_of_each_agents_suggestions(site: OpenSite, bench: Bench) -> None:
    one = await site()
    words = ["Caching", "Billing", "Search", "Export", "Logins", "Uploads"]
    made = [
        await bench.one(f"{word} needs work", f"issue:{n}", kind="chore")
        for n, word in enumerate(words)
    ]
    for suggestion in made[:2]:
        await post(one, suggestion, "approve")
    await post(one, made[2], "reject")
    await bench.keep(
        proposal("Nothing that people decide about", "issue:70"),
        agent="other",
        autonomous_mode="auto_approve",
    )
    pool = bench.product.pool
    await pool.execute(
        "UPDATE lamplighter.suggestions SET status = 'expired' WHERE id = $1", made[3]
    )
    await pool.execute("UPDATE lamplighter.suggestions SET is_sample = true WHERE id = $1", made[4])
    unit, status = uuid4(), "suggested"
    await pool.execute(
        "INSERT INTO lamplighter.agent_units VALUES"
        " ($1, $2, $3, $1, 'succeeded', 'complete', 1, NULL, NULL, $3, $3)",
        *(unit, bench.project, START - timedelta(days=3)),
    )
    for agent, status in (("tester", "suggested"), ("other", "skipped"), ("bygone", "silent")):
        await pool.execute(
            "INSERT INTO lamplighter.agent_executions (unit_id, agent, status, calls, tokens_in,"
            " tokens_out, cost_usd, started_at) VALUES ($1, $2, $3, 2, 1000, 100, 0.5, $4)",
            *(unit, agent, status, START),
        )
    body = (await one.admin("/api/v1/agents")).body
    found = {item["agent"]: item for item in body["items"]}
    assert body["days"] == 30
    assert list(found) == [*AGENTS, "bygone"]
    tester = found["tester"]
    assert tester["task"] == AGENTS["tester"].task
    assert tester["kinds"]["chore"] == "Something to do"
    numbers = ("suggested", "pending", "accepted", "rejected", "ignored", "automatic")
    assert [tester[name] for name in numbers] == [5, 1, 2, 1, 1, 0]
    assert tester["acceptanceRate"] == 0.5
    assert (tester["looks"], tester["calls"], tester["tokensIn"]) == (1, 2, 1000)
    assert (tester["costUsd"], tester["costPerAcceptedUsd"]) == (0.5, 0.25)
    other = found["other"]
    assert [other[name] for name in numbers] == [1, 0, 0, 0, 0, 1]
    assert (other["acceptanceRate"], other["costPerAcceptedUsd"]) == (None, None)
    assert (other["looks"], other["skipped"]) == (0, 1)
    assert (found["bygone"]["silent"], found["bygone"]["task"]) == (1, None)
    recent = (await one.admin("/api/v1/agents?days=2")).body["items"]
    assert [item["agent"] for item in recent] == list(AGENTS)
    assert (await one.admin("/api/v1/agents?days=0")).status == 422
