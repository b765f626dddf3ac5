"""Can what agents suggest be looked at, and decided about, in pages?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from agents.approvals import sql as approvals_sql
from agents.kit.fit import MOST_BODY, MOST_TITLE
from jobs.orchestration.publish import job as publish_job
from scheduler.policy import AgentPolicy, AutoPublish
from scheduler.sql import Query
from scheduler.web.pages.suggestion import what_publishing_does
from tests.support.agents import Bench, bench_on, proposal
from tests.support.machine import START
from tests.web.browsing import logged_in
from tests.web.looking import Seen
from tests.web.site import OpenSite, Site

NOBODY = "00000000-0000-0000-0000-000000000000"
WORKS = {"orchestration/publish": publish_job}


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with bench_on(database) as made:
        made.now = START
        yield made


async def recorded(one: Site) -> list[tuple[str, str | None, str | None]]:
    items = (await one.admin("/api/v1/activity")).body["items"]
    return [(item["action"], item["who"], item["reason"]) for item in items]


async def test_an_empty_queue_says_what_comes_next(site: OpenSite) -> None:
    browser = await logged_in(await site())
    assert "Nothing waits for a decision." in await browser.page("/suggestions")
    assert "None here." in await browser.page("/suggestions?status=rejected")


async def test_the_queue_shows_what_is_pending(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    await bench.one("The parser has no tests", "pull:12", kind="pr_review")
    gone = await bench.one("Nobody says what a plan costs", "issue:7", kind="answer")
    await browser.send(f"/suggestions/{gone}/reject", {"reason": "we do"})
    text = await browser.page("/suggestions")
    assert "The parser has no tests" in text
    assert "Review of a pull request" in text
    assert "Nobody says" not in text
    assert "80 %" in text
    assert "Lantern" in text
    assert "Nobody says" in await browser.page("/suggestions?status=all")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=pending&project=&agent=", 3),
        ("agent=tester", 3),
        ("agent=nobody", 0),
        (f"project={NOBODY}", 0),
        ("status=rejected", 0),
        ("status=all", 3),
    ],
)
async def test_the_queue_has_filters(site: OpenSite, bench: Bench, query: str, count: int) -> None:
    browser = await logged_in(await site())
    for n in range(3):
        await bench.one(f"Matter number {n} of three", f"issue:{n}", kind="chore")
    text = await browser.page(f"/suggestions?{query}")
    assert text.count(">Matter number ") == count
    mine = await browser.page(f"/suggestions?project={bench.project}&agent=tester")
    assert mine.count(">Matter number ") == 3


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("status=merged", "Status must be one of pending, approved"),
        ("project=lantern", "Project must be an id"),
        ("before=x", "Before must be a number"),
    ],
)
async def test_a_queue_of_something_else_is_a_page_that_says_so(
    site: OpenSite, query: str, words: str
) -> None:
    answer = await (await logged_in(await site())).call(f"/suggestions?{query}")
    assert answer.status == 422
    assert words in answer.text


async def test_the_queue_goes_on_in_pages(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    made = await bench.one()
    await copies(bench, made, 60)
    first = await browser.page("/suggestions?status=all")
    assert first.count('class="pick"') == 50
    [older] = [link for link in Seen.of(first).links if "before=" in link]
    rest = await browser.page(older)
    assert rest.count('class="pick"') == 11
    assert "/suggestions?status=all" in Seen.of(rest).links


async def copies(bench: Bench, made: UUID, count: int, **values: str) -> None:
    """So many more of the same."""
    pool = bench.product.pool
    columns: list[str] = [
        row["column_name"]
        for row in await pool.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'lamplighter'"
            " AND table_name = 'suggestions' AND column_name NOT IN ('id', 'seq')"
        )
    ]
    chosen = ", ".join(values.get(name, name) for name in columns)
    await pool.execute(
        f"INSERT INTO lamplighter.suggestions (id, {', '.join(columns)})"  # noqa: S608
        f" SELECT gen_random_uuid(), {chosen} FROM lamplighter.suggestions,"
        " generate_series(1, $2) AS n WHERE id = $1",
        made,
        count,
    )


async def test_many_are_rejected_at_once(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    made = [str(await bench.one(f"Matter number {n} of three", f"issue:{n}")) for n in range(3)]
    back = f"/suggestions?status=pending&project={bench.project}"
    answer = await browser.send(
        "/suggestions/reject", {"id": made[:2], "reason": "not now", "back": back}
    )
    assert (answer.status, answer.headers["Location"]) == (303, back)
    assert await browser.said(back) == "2 suggestions rejected."
    assert await recorded(one) == [("reject", "admin", "not now")]
    assert [row["status"] for row in await bench.rows()] == ["rejected", "rejected", "pending"]
    await browser.send("/suggestions/reject", {"id": [made[0], made[2]]})
    said = await browser.said("/suggestions")
    assert said.startswith("1 suggestion rejected. 1 suggestion could not be: it was rejected by")
    await browser.send("/suggestions/reject", {"reason": "none"})
    assert await browser.said("/suggestions") == "None was chosen, so none was rejected."
    answer = await browser.send("/suggestions/reject", {"id": "x"})
    assert answer.status == 422
    for elsewhere in ("https://evil.example/", "//evil.example", "/projects"):
        answer = await browser.send("/suggestions/reject", {"id": made[0], "back": elsewhere})
        assert answer.headers["Location"] == "/suggestions"


async def test_one_is_shown_with_all_there_is_to_it(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    made = await bench.one(
        "The parser has no tests",
        "pull:12",
        kind="pr_review",
        body="It **breaks** on [this](https://github.com/octocat/hello-world/pull/12).",
    )
    text = await browser.page(f"/suggestions/{made}")
    assert "<strong>breaks</strong>" in text
    assert "Adds a review to pull request #12 of octocat/hello-world that only comments" in text
    assert "https://github.com/octocat/hello-world/pull/12" in Seen.of(text).links
    assert "What pull:12 is called" in text
    assert "relevance: 90 %" in text
    assert "It is." in text
    assert "Approve it first." in text
    assert "created" in text


@pytest.mark.parametrize("which", [NOBODY, "x", "018f0000-0000-7000-8000-000000000000"])
async def test_one_that_is_not_there_is_a_404(site: OpenSite, which: str) -> None:
    browser = await logged_in(await site())
    assert (await browser.call(f"/suggestions/{which}")).status == 404
    for verb in ("approve", "reject", "edit", "publish"):
        assert (await browser.send(f"/suggestions/{which}/{verb}")).status == 404, verb


async def test_what_is_shown_is_approved_and_nothing_else(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    made = await bench.one()
    there = f"/suggestions/{made}"
    shown = (await bench.row(made))["shown_hash"]
    assert shown in Seen.of(await browser.page(there)).values
    await one.admin(f"/api/v1/suggestions/{made}/edit", "POST", json={"title": "Something else"})
    await browser.send(f"{there}/approve", {"shown": shown})
    assert "it was changed after it was shown" in await browser.said(there)
    assert (await bench.row(made))["status"] == "pending"
    shown = (await bench.row(made))["shown_hash"]
    await browser.send(f"{there}/approve", {"shown": shown, "reason": "it is right"})
    assert await browser.said(there) == "Approved. It can be published now."
    row = await bench.row(made)
    assert (row["status"], row["decided_by"], row["approved_hash"]) == ("approved", "admin", shown)
    await browser.send(f"{there}/approve", {"shown": shown})
    assert "it cannot be approved: it was approved by admin" in await browser.said(there)
    await browser.send(f"{there}/reject", {"reason": "after all"})
    assert "Rejected." in await browser.said(there)
    assert [each[0] for each in await recorded(one)] == ["reject", "approve", "edit"]


async def test_it_is_edited_before_it_is_approved(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    made = await bench.one()
    there = f"/suggestions/{made}"
    before = await bench.row(made)
    words = {"title": "Say it\r\nshorter", "body": "Two lines of text that are\r\n\r\nlong enough."}
    answer = await browser.send(f"{there}/edit", {**words, "shown": before["shown_hash"]})
    assert answer.status == 303
    after = await bench.row(made)
    assert (after["title"], after["body"]) == (
        *("Say it shorter", "Two lines of text that are\n\nlong enough."),
    )
    assert after["shown_hash"] != before["shown_hash"]
    text = await browser.page(there)
    assert "What stood there before" in text
    assert before["body"] in Seen.of(text).text
    assert after["shown_hash"] in Seen.of(text).values


async def test_a_text_may_be_as_long_in_any_script(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    made = await bench.one()
    there = f"/suggestions/{made}"
    title, body = "漢" * MOST_TITLE, "\N{FIRE}" * MOST_BODY
    shown = (await bench.row(made))["shown_hash"]
    answer = await browser.send(f"{there}/edit", {"title": title, "body": body, "shown": shown})
    assert answer.status == 303
    after = await bench.row(made)
    assert (after["title"], after["body"]) == (title, body)
    answer = await one.admin(f"/api/v1{there}/edit", "POST", json={"body": "漢" * MOST_BODY})
    assert answer.status == 200


async def test_words_that_are_not_taken_are_not_lost(site: OpenSite, bench: Bench) -> None:
    one = await site()
    browser = await logged_in(one)
    made = await bench.one()
    there = f"/suggestions/{made}"
    shown = (await bench.row(made))["shown_hash"]
    answer = await browser.send(
        f"{there}/edit", {"title": "No", "body": "What I wrote is here to stay.", "shown": shown}
    )
    assert answer.status == 422
    assert "Not changed: title must be a text of 5 to 200 characters." in answer.text
    assert "What I wrote is here to stay." in answer.text
    await one.admin(f"/api/v1/suggestions/{made}/edit", "POST", json={"title": "Something else"})
    answer = await browser.send(
        f"{there}/edit",
        {"title": "My own title", "body": "My own text, which is long.", "shown": shown},
    )
    assert answer.status == 409
    assert "it was changed after it was shown" in answer.text
    assert shown in Seen.of(answer.text).values
    assert "My own title" in Seen.of(answer.text).values
    assert (await bench.row(made))["title"] == "Something else"


async def test_publishing_says_what_came_of_it(site: OpenSite, bench: Bench) -> None:
    one = await site(WORKS)
    browser = await logged_in(one)
    made = await bench.one("Write the next release down", "release:v1", kind="chore")
    there = f"/suggestions/{made}"
    await browser.send(f"{there}/publish")
    assert await browser.said(there) == (
        "Not published: it is pending; what is approved can be published."
    )
    await browser.send(f"{there}/approve")
    await browser.send(f"{there}/publish", {"reason": "go"})
    assert await browser.said(there) == "Published."
    assert (await bench.row(made))["status"] == "published"
    assert [each[0] for each in await recorded(one)] == ["trigger", "publish", "approve"]
    [run] = await one.machine.record()
    assert (run.trigger, run.reason) == ("admin", "go")


async def test_what_cannot_be_published_says_why(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site(WORKS))
    made = await bench.one("The parser has no tests", "pull:12", kind="pr_review")
    there = f"/suggestions/{made}"
    await browser.send(f"{there}/approve")
    await browser.send(f"{there}/publish")
    said = await browser.said(there)
    assert said.startswith("orchestration/publish failed: no token: set GITHUB_TOKEN"), said
    text = await browser.page(there)
    assert "Publishing failed: no token" in text
    assert "Approve it again first" in text


async def test_a_sample_is_marked_and_its_button_says_why_not(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site(WORKS))
    made = await bench.one()
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET is_sample = true")
    there = f"/suggestions/{made}"
    assert ">sample</span>" in await browser.page("/suggestions")
    await browser.send(f"{there}/approve")
    text = await browser.page(there)
    assert ">sample</span>" in text
    assert "A sample is never published" in text
    assert f"{there}/publish" not in Seen.of(text).forms
    await browser.send(f"{there}/publish")
    assert "a sample is never published" in await browser.said(there)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"type": "review", "number": 3, "repository": "o/n"}, "pull request #3 of o/n"),
        ({"type": "comment", "number": 4, "repository": "o/n"}, "under #4 of o/n"),
        ({"type": "issue", "repository": "o/n"}, "a new issue in o/n"),
        ({"type": "draft_release", "tag": "v2", "repository": "o/n"}, "for v2 of o/n"),
        ({"type": "todo", "repository": "o/n"}, "Nothing goes to GitHub"),
        ({"type": "merge"}, "does not know"),
        ({}, "does not know"),
    ],
)
def test_what_publishing_does_is_said_in_words(action: dict[str, Any], words: str) -> None:
    assert words in what_publishing_does(action)


async def test_agents_are_shown_with_what_came_of_it(site: OpenSite, bench: Bench) -> None:
    browser = await logged_in(await site())
    made = [await bench.one(f"Matter number {n} of four", f"issue:{n}") for n in range(4)]
    for each in made[:3]:
        await browser.send(f"/suggestions/{each}/approve")
    await browser.send(f"/suggestions/{made[3]}/reject")
    text = await browser.page("/agents?days=7")
    assert "accepted: 75 %" in text
    assert "Looks at everything" in text
    assert "/suggestions?status=all&agent=tester" in Seen.of(text).links
    assert (await browser.call("/agents?days=8")).status == 422


async def test_publishing_without_approval_is_stopped_and_let_be(
    site: OpenSite, bench: Bench
) -> None:
    policy = AgentPolicy(auto_publish=AutoPublish(enabled=True, kinds=frozenset({"chore"})))
    one = await site(policy=policy)
    browser = await logged_in(one)
    assert "Stop it at once" in await browser.page("/agents")
    await browser.send("/agents/auto-publish", {"enabled": "false", "reason": "a bad night"})
    assert (await browser.said("/agents")).startswith("Stopped")
    text = await browser.page("/agents")
    assert "a bad night" in text
    assert (await one.admin("/api/v1/agents")).body["autoPublish"]["enabled"] is False
    await browser.send("/agents/auto-publish", {"enabled": "true"})
    assert (await one.admin("/api/v1/agents")).body["autoPublish"]["enabled"] is True
    assert await recorded(one) == [
        ("auto_publish", "admin", None),
        ("auto_publish", "admin", "a bad night"),
    ]
    assert await bench.rows() == []


FILTERS = [
    (status, project, agent)
    for status in (None, "pending", "rejected")
    for project in (False, True)
    for agent in (None, "tester", "other")
]


async def test_no_list_reads_more_than_a_page_of_ten_thousand(bench: Bench) -> None:
    made = await bench.one()
    await bench.one("Another matter, of another agent", "issue:1")
    # Old ones of all kinds, and a few of what is rare: the newest are never what is asked for.
    await copies(bench, made, 5_000, status="'rejected'")
    await copies(bench, made, 5_000, agent="'other'", status="'expired'")
    await copies(bench, made, 20, agent="'other'", project_id=f"'{NOBODY}'")
    pool = bench.product.pool
    await pool.execute("ANALYZE lamplighter.suggestions")
    for status, is_project, agent in FILTERS:
        async with pool.acquire() as connection, connection.transaction():
            await approvals_sql.plan_each_list(connection)
            query, filters = approvals_sql.find_all, list[object]()
            if status or is_project or agent:
                project = bench.project if is_project else None
                query, filters = approvals_sql.find, [status, project, agent]
            plan = await planned(connection, query, *filters, None, 51)
        assert touched(plan) < 150, (status, is_project, agent, plan)
    async with pool.acquire() as connection:
        plan = await planned(connection, approvals_sql.waiting, 1_000, 24)
        assert touched(plan) < 1_100, plan


async def planned(connection: Any, query: Query, *values: object) -> list[str]:
    """How PostgreSQL does it, with what it touches."""
    rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {query.sql}", *values)
    return [row[0] for row in rows]


def touched(plan: list[str]) -> int:
    """Pages of the database that were looked at, in all."""
    line = next(line for line in plan if "Buffers: shared" in line)
    parts = line.split("shared", 1)[1].split(",")[0].split()
    return sum(int(part.split("=")[1]) for part in parts if "=" in part)


async def test_the_queue_tells_how_many_wait_by_project_and_agent(
    site: OpenSite, bench: Bench
) -> None:
    browser = await logged_in(await site())
    await bench.keep(proposal("The parser has no tests", "pull:1"), agent="other")
    for n in range(3):
        await bench.one(f"Matter number {n} of three", f"issue:{n}", kind="chore")
    text = await browser.page("/suggestions?agent=other")
    assert "tester <b>3</b>" in text
    assert "other <b>1</b>" in text
    assert bench.now - START < timedelta(seconds=1)
