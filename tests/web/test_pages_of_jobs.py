"""Do overview, job and run pages show what is, and do what their forms say, on the record?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from pydantic import Field

from scheduler.db.activity import ActivityStore
from scheduler.entry import Retry
from scheduler.job import Day, Done, Job, JobContext, Listed, Outcome, Params, Skipped
from scheduler.run import Status
from scheduler.timing.reload import Reloaded, ReloadResult
from tests.support.machine import START, NoParams, Stage, connect
from tests.web.browsing import Browser, logged_in
from tests.web.site import PROBLEM, CountParams, OpenSite, Site, scheduled

NOBODY = "00000000-0000-0000-0000-000000000000"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{ 7*7 }}'


class Policy(StrEnum):
    TOP_UP = "top_up"
    OVERWRITE = "overwrite"


class EveryKind(Params):
    """A parameter of each kind that a form has."""

    days: int = Field(default=30, ge=1, le=3650)
    """How far back."""
    share: float = Field(default=0.5, gt=0, le=1)
    note: str = Field(default="", max_length=20)
    policy: Policy = Policy.TOP_UP
    full: bool = True
    dry_run: bool = False
    """Changes nothing."""
    since: Day | None = None
    limit: int | None = Field(default=None, ge=1)
    names: Listed[str] = ("a", "b")
    only: Listed[str] | None = None


async def every_kind(_ctx: JobContext, params: EveryKind) -> Outcome:
    return Done(params.model_dump(mode="json", by_alias=True))


EVERY: Job[Any] = Job(run=every_kind, params=EveryKind)
WITH_EVERY = {"every": EVERY}


async def last_run(one: Site, job: str = "count") -> Any:
    run = await one.machine.store.last_run(job)
    assert run is not None
    return await one.machine.runner.wait(run.id, 20)


async def activity(one: Site) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await one.admin("/api/v1/activity")).body["items"]
    return items


def paused_until(one: Site) -> datetime | None:
    return one.daemon.clock.pauses["count"].until


def filled_in(form: str) -> dict[str, list[str]]:
    """What a browser would send of the fields of a form that is left as it is."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", form, re.DOTALL):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        name = attributes.get("name", "")
        ticked = attributes.get("type") != "checkbox" or " checked" in tag
        if name.startswith("p.") and ticked:
            fields.setdefault(name, []).append(attributes["value"])
    for name, options in re.findall(
        r'<select[^>]*name="(p\.[^"]+)">(.*?)</select>', form, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = [chosen[1] if chosen else ""]
    return fields


async def test_the_overview_shows_every_job_and_how_it_went(site: OpenSite) -> None:
    entries = [
        scheduled("nightly", job="count", params=CountParams(), cron="0 2 * * *"),
        scheduled("off", job="count", params=CountParams(), enabled=False),
    ]
    broken = scheduled("broken", cron="0 3 * * *", retry=Retry(attempts=1))
    one = await site({"broken": _fail}, entries=[*entries, broken])
    await one.work("nightly")
    await one.work("broken")
    page = await (await logged_in(one)).page("/")
    assert "Degraded" in page
    assert "broken: last run failed" in page
    assert '<span title="0 2 * * * UTC">At 02:00, every day</span>' in page
    assert 'aria-label="Last runs: 1 succeeded"' in page
    assert 'aria-label="Last runs: 1 failed"' in page
    assert 'class="badge is-failed">failed</a>' in page
    assert ">off</span>" in page
    assert "not on the schedule" in page
    assert page.count("in 14 h") >= 2
    assert "02:00 nightly" in page


async def _fail(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise RuntimeError("it broke")


async def test_without_a_database_the_overview_says_so(site: OpenSite) -> None:
    one = await site()
    browser = await logged_in(one)
    one.conditions.database_away_since = 0.0
    page = await browser.page("/")
    assert "database: away" in page
    assert "from memory" in page
    assert "Every minute" in page
    assert "never" not in page
    assert "none yet" not in page


async def test_a_part_of_the_overview_is_refreshed(site: OpenSite) -> None:
    browser = await logged_in(await site())
    part = await browser.page("/?q=count", headers={"HX-Request": "true"})
    assert "<html" not in part
    assert 'id="job:count"' in part
    ids = re.findall(r' id="([^"]+)"', await browser.page("/"))
    assert len(ids) == len(set(ids))


async def test_many_jobs_are_shown_in_pages_and_found(site: OpenSite) -> None:
    entries = [scheduled(f"job-{n:03}", job="count", params=CountParams()) for n in range(120)]
    browser = await logged_in(await site(entries=entries))
    first, last = await browser.page("/"), await browser.page("/?page=4")
    assert 'href="/jobs/job-039"' in first
    assert 'href="/jobs/job-040"' not in first
    assert 'href="/jobs/count"' in last
    assert "Page 4 of 4" in last
    found = await browser.page("/?q=job-07")
    assert "10 jobs of 121" in found
    assert "No such job" in await browser.page("/?q=nothing")
    for odd in ("page=0", "page=-1", "page=x", "page=99999", "show=odd", "page=" + "9" * 30):
        await browser.page(f"/?{odd}")
    assert len(first.encode()) < 150_000


async def test_the_form_has_the_jobs_types_bounds_and_what_the_schedule_says(
    site: OpenSite,
) -> None:
    entries = [scheduled("every", job="every", params=EveryKind(days=7, full=False))]
    browser = await logged_in(await site(WITH_EVERY, entries=entries))
    form = await browser.page("/jobs/every/trigger")
    days = re.search(r'<input id="p.days"[^>]*>', form)
    assert days
    for part in ('type="number"', 'value="7"', 'min="1"', 'max="3650"', 'step="1"', "required"):
        assert part in days[0]
    assert "How far back. 1 to 3,650." in form
    assert 'type="date"' in form
    assert '<option value="top_up" selected>top up</option>' in form
    assert 'maxlength="20"' in form
    assert 'name="p.dryRun" value="true">Dry run</button>' in form
    assert "Changes nothing." in form
    assert filled_in(form) == {
        "p.days": ["7"],
        "p.share": ["0.5"],
        "p.note": [""],
        "p.policy": ["top_up"],
        "p.full": [""],
        "p.since": [""],
        "p.limit": [""],
        "p.names": ["a, b"],
        "p.only": [""],
    }


async def test_a_form_that_is_left_as_it_is_runs_what_the_schedule_runs(site: OpenSite) -> None:
    params = EveryKind(days=7, full=False, names=("x",), limit=5)
    entries = [scheduled("every", job="every", params=params)]
    one = await site(WITH_EVERY, entries=entries)
    browser = await logged_in(one)
    fields = filled_in(await browser.page("/jobs/every/trigger"))
    answer = await browser.send("/jobs/every/trigger", {**fields, "reason": "a customer asked"})
    run = await last_run(one, "every")
    assert (answer.status, answer.headers["Location"]) == (303, f"/runs/{run.id}")
    assert await browser.said(f"/runs/{run.id}") == "every was started."
    assert await browser.said(f"/runs/{run.id}") == ""
    assert run.data == params.model_dump(mode="json", by_alias=True)
    assert (run.trigger, run.requested_by, run.reason) == (
        "admin",
        "admin:127.0.0.1",
        "a customer asked",
    )
    [row] = await activity(one)
    assert (row["who"], row["action"], row["target"], row["reason"]) == (
        "admin",
        "trigger",
        "every",
        "a customer asked",
    )


async def test_every_kind_of_parameter_can_be_changed(site: OpenSite) -> None:
    one = await site(WITH_EVERY)
    browser = await logged_in(one)
    form: dict[str, str | list[str]] = {
        "p.days": "3",
        "p.share": "0.25",
        "p.note": "é & <b>",
        "p.policy": "overwrite",
        "p.full": [""],
        "p.dryRun": "true",
        "p.since": "2026-03-01",
        "p.limit": "10",
        "p.names": "c,  d ,",
        "p.only": "e",
    }
    await browser.send("/jobs/every/trigger", form)
    run = await last_run(one, "every")
    assert run.status is Status.SUCCEEDED
    assert EveryKind.model_validate(dict(run.params)) == EveryKind(
        days=3,
        share=0.25,
        note="é & <b>",
        policy=Policy.OVERWRITE,
        full=False,
        dry_run=True,
        since=date(2026, 3, 1),
        limit=10,
        names=("c", "d"),
        only=("e",),
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"p.days": "0"}, "is out of range; allowed is at least 1 and at most 3650"),
        ({"p.days": ""}, "must be a whole number"),
        ({"p.share": "much"}, "must be a number"),
        ({"p.policy": "odd"}, "must be one of"),
        ({"p.since": "2026-02-30"}, "must be a day like 2026-01-31"),
        ({"p.note": HOSTILE}, "must have at most 20 characters"),
        ({"reason": "x" * 501}, "may have 500 characters"),
    ],
)
async def test_a_mistake_is_said_at_its_field_and_what_was_written_stays(
    site: OpenSite, fields: Mapping[str, str], error: str
) -> None:
    one = await site(WITH_EVERY)
    browser = await logged_in(one)
    answer = await browser.send("/jobs/every/trigger", {"p.names": "kept", **fields})
    assert answer.status == 422
    assert error in answer.text
    assert 'value="kept"' in answer.text
    assert HOSTILE not in answer.text
    assert await one.machine.record() == []


async def test_a_job_that_runs_already_leads_to_that_run(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    browser = await logged_in(one)
    first = (await browser.send("/jobs/slow/trigger")).headers["Location"]
    await stage.begin()
    answer = await browser.send("/jobs/slow/trigger")
    assert (answer.status, answer.headers["Location"]) == (303, first)
    assert "running already" in await browser.said(first)
    stage.may_end.set()


async def test_a_job_is_paused_and_resumed(site: OpenSite) -> None:
    one = await site()
    browser = await logged_in(one)
    assert "How long" in await browser.page("/jobs/count/pause")
    answer = await browser.send("/jobs/count/pause", {"reason": "maintenance", "lasting": "6h"})
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    page = await browser.page("/")
    assert "count is paused until 2026-03-10 18:00 UTC." in page
    assert "Paused: <bdi>maintenance</bdi>" in page
    assert paused_until(one) == START + timedelta(hours=6)
    assert "Paused" in await browser.page("/jobs/count")
    assert 'id="job:count"' in await browser.page("/?show=paused")
    answer = await browser.send("/jobs/count/resume", {"back": "job"})
    assert answer.headers["Location"] == "/jobs/count"
    assert dict(one.daemon.clock.pauses) == {}
    assert [row["action"] for row in await activity(one)] == ["resume", "pause"]


async def test_a_pause_until_a_time_and_until_somebody_ends_it(site: OpenSite) -> None:
    one = await site()
    browser = await logged_in(one)
    await browser.send("/jobs/count/pause", {"until": "2026-03-11T06:00", "back": "job"})
    assert paused_until(one) == START + timedelta(hours=18)
    await browser.send("/jobs/count/pause")
    assert paused_until(one) is None
    answer = await browser.send("/jobs/count/pause", {"until": "2026-03-11T06:00", "lasting": "1h"})
    assert answer.status == 422
    assert "give one of them" in answer.text
    for until, error in (("2020-01-01T00:00", "later than now"), ("soon", "must be a time")):
        answer = await browser.send("/jobs/count/pause", {"until": until, "reason": "kept"})
        assert answer.status == 422
        assert error in answer.text
        assert 'value="kept"' in answer.text


async def test_what_is_not_on_the_schedule_cannot_be_paused(site: OpenSite) -> None:
    browser = await logged_in(await site(entries=[]))
    answer = await browser.send("/jobs/count/pause")
    assert answer.status == 409
    assert "is not in the schedule" in answer.text
    assert "only by hand" in await browser.page("/jobs/count")


@pytest.mark.parametrize("path", ["/jobs/nope", "/jobs/nope/trigger", "/jobs/nope/pause"])
async def test_an_unknown_job_is_a_page_that_says_so(site: OpenSite, path: str) -> None:
    answer = await (await logged_in(await site())).call(path)
    assert answer.status == 404
    assert "There is no job called &#39;nope&#39;" in answer.text


async def test_names_may_hold_slashes(site: OpenSite) -> None:
    entries = [scheduled("deep/er", job="count", params=CountParams())]
    one = await site(entries=entries)
    browser = await logged_in(one)
    assert "<h1>deep/er</h1>" in await browser.page("/jobs/deep/er")
    answer = await browser.send("/jobs/deep/er/trigger")
    run = await last_run(one, "deep/er")
    assert answer.headers["Location"] == f"/runs/{run.id}"


async def test_a_job_page_has_policies_parameters_and_history(site: OpenSite) -> None:
    entries = [
        scheduled(
            "count",
            params=CountParams(days=7),
            cron="0 6 * * 1",
            retry=Retry(attempts=5),
            jitter=timedelta(seconds=30),
        )
    ]
    one = await site(entries=entries)
    for days in (1, 2, 3):
        await one.work(f"count?days={days}")
    page = await (await logged_in(one)).page("/jobs/count")
    assert "<code>0 6 * * 1</code> in UTC" in page
    assert "5 attempts, 30 s apart and longer, up to 10 min" in page
    assert "up to 30 s" in page
    assert "set in the schedule" in page
    assert "2026-03-16 06:00:00 UTC" in page
    assert "How long the last 3 runs took" in page
    assert page.count('class="badge is-succeeded"') == 3


async def test_runs_are_filtered_and_turned_over(site: OpenSite) -> None:
    entries = [scheduled("broken", retry=Retry(attempts=1))]
    one = await site({"broken": _fail}, entries=entries)
    for _ in range(45):
        await one.work("count")
    await one.work("broken")
    browser = await logged_in(one)
    first = await browser.page("/runs")
    assert first.count('class="badge is-') == 40
    older = re.search(r'href="(/runs\?before=\d+)"', first)
    assert older
    second = await browser.page(older[1])
    assert second.count('class="badge is-') == 6
    assert "« Newest" in second
    failed = await browser.page("/runs?status=failed&job=broken&trigger=http")
    assert failed.count('class="badge is-') == 1
    assert "it broke" in failed
    assert "No such runs" in await browser.page("/runs?status=missed")
    assert "No such runs" in await browser.page("/runs?job=nothing")
    for odd in ("before=x", "before=0", "before=" + "9" * 30, "status=odd", "trigger=odd"):
        assert (await browser.page(f"/runs?{odd}")).count('class="badge is-') == 40


async def test_empty_pages_say_what_to_do(site: OpenSite) -> None:
    browser = await logged_in(await site())
    assert "It has not run yet" in await browser.page("/runs")
    assert "It has not run yet" in await browser.page("/jobs/count")
    assert "Nobody has done anything yet" in await browser.page("/activity")


async def test_a_run_is_watched_until_it_ends(site: OpenSite) -> None:
    stage = Stage(Done({"rows": 12_345, "note": HOSTILE}))
    one = await site({"slow": stage})
    browser = await logged_in(one)
    there = (await browser.send("/jobs/slow/trigger", {"reason": HOSTILE})).headers["Location"]
    await stage.begin()
    stage.starts[0].log.info("half_way", text=HOSTILE)
    stage.starts[0].progress(5, 10)
    page = await browser.page(there)
    assert 'hx-trigger="every 1s"' in page
    assert "Cancel it" in page
    htmx = {"HX-Request": "true"}
    part = ""
    while "half way" not in part or "5 of 10" not in part:
        part = (await browser.call(f"{there}?mark=older", headers=htmx)).text
    assert "<html" not in part
    same = re.search(r'hx-get="([^"]+)"', await browser.page(there))
    assert same
    assert (await browser.call(same[1], headers=htmx)).status == 204
    stage.may_end.set()
    await last_run(one, "slow")
    answer = await browser.call(same[1], headers=htmx)
    assert (answer.status, answer.headers["HX-Refresh"]) == (204, "true")
    page = await browser.page(there)
    assert "hx-trigger" not in page
    assert "12,345" in page
    assert "Run again" in page
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert "49" not in re.sub(r"[0-9a-f-]{36}", "", page).replace("{{ 7*7 }}", "")


async def test_without_scripts_a_run_is_looked_at_again(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    browser = await logged_in(one)
    there = (await browser.send("/jobs/slow/trigger")).headers["Location"]
    await stage.begin()
    assert f'<noscript><p><a class="button" href="{there}">' in await browser.page(there)
    stage.may_end.set()


async def test_a_run_is_cancelled(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    browser = await logged_in(one)
    there = (await browser.send("/jobs/slow/trigger")).headers["Location"]
    await stage.begin()
    await browser.send(f"{there}/cancel", {"reason": "wrong day"})
    run = await last_run(one, "slow")
    assert run.status is Status.CANCELLED
    assert "cancelled by admin:127.0.0.1: wrong day" in await browser.page(there)
    await browser.send(f"{there}/cancel")
    assert "has ended already" in await browser.said(there)


async def test_a_run_is_repeated_with_its_parameters(site: OpenSite) -> None:
    one = await site()
    first = (await one.work("count?days=5&note=x")).body["runId"]
    browser = await logged_in(one)
    answer = await browser.send(f"/runs/{first}/repeat")
    run = await last_run(one)
    assert answer.headers["Location"] == f"/runs/{run.id}"
    assert str(run.id) != first
    assert (run.params["days"], run.params["note"], run.reason) == (
        5,
        "x",
        f"again, as run {first}",
    )


async def test_a_failed_run_says_why_of_each_attempt(site: OpenSite) -> None:
    entries = [scheduled("broken", retry=Retry(attempts=1))]
    one = await site({"broken": _fail_hostile}, entries=entries)
    run = (await one.work("broken")).body["runId"]
    page = await (await logged_in(one)).page(f"/runs/{run}")
    assert "Attempts" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE not in page


async def _fail_hostile(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise RuntimeError(HOSTILE)


@pytest.mark.parametrize("path", [f"/runs/{NOBODY}", "/runs/odd", f"/runs/{NOBODY}?before=x"])
async def test_an_unknown_run_is_a_page_that_says_so(site: OpenSite, path: str) -> None:
    answer = await (await logged_in(await site())).call(path)
    assert answer.status == 404
    assert "There is no such run." in answer.text


async def test_a_page_of_a_run_with_a_huge_log_and_result_stays_small(site: OpenSite) -> None:
    async def loud(ctx: JobContext, _params: NoParams) -> Outcome:
        for n in range(900):
            ctx.log.info("line", n=n, text="<&>" * 2000)
        return Done({f"key{n}": "<>" * 500 for n in range(500)})

    one = await site({"loud": loud})
    run = (await one.work("loud")).body["runId"]
    browser = await logged_in(one)
    page = await browser.page(f"/runs/{run}")
    assert len(page.encode()) < 150_000
    assert "characters more, in the API" in page
    older = re.search(r'href="(/runs/[^"]+before=\d+)#log"', page)
    assert older
    assert "To the newest lines" in await browser.page(older[1])


async def test_a_skipped_run_says_why(site: OpenSite) -> None:
    async def skip(_ctx: JobContext, _params: NoParams) -> Outcome:
        return Skipped("nobody is due")

    one = await site({"idle": skip})
    await one.work("idle")
    browser = await logged_in(one)
    assert "nobody is due" in await browser.page("/runs")
    assert "nobody is due" in await browser.page("/")


async def test_the_schedule_is_reloaded_from_the_overview(site: OpenSite) -> None:
    results = iter(
        [ReloadResult(changed=("a", "b")), ReloadResult(), ReloadResult(errors=(PROBLEM,))]
    )

    async def reload() -> ReloadResult:
        return next(results)

    one = await site(reload=reload)
    browser = await logged_in(one)
    said = []
    for _ in range(3):
        assert (await browser.send("/schedule/reload")).headers["Location"] == "/"
        said.append(await browser.said("/"))
    assert said == [
        "Reloaded: 2 changed.",
        "Reloaded: nothing has changed.",
        (
            "The schedule file has 1 error, so the schedule in force stays: "
            "line 7, jobs.count.cron: must be five fields"
        ),
    ]


async def test_errors_of_the_last_reload_stand_on_the_overview(site: OpenSite) -> None:
    one = await site(last_reload=lambda: Reloaded(START, ReloadResult(errors=(PROBLEM,))))
    page = await (await logged_in(one)).page("/")
    assert "1 error; the one before stays in force" in page
    assert "line 7, <code>jobs.count.cron</code> must be five fields" in page


async def test_activity_says_who_did_what_and_why(site: OpenSite) -> None:
    async def reload() -> ReloadResult:
        differences = {"count": {"cron": ("0 0 * * *", "0 1 * * *"), "params.note": ("", HOSTILE)}}
        return ReloadResult(changed=("count",), differences=differences)

    one = await site(reload=reload)
    browser = await logged_in(one)
    await browser.send("/schedule/reload", {"reason": HOSTILE})
    await one.work("count")
    await browser.send("/jobs/count/pause", {"reason": "maintenance"})
    page = await browser.page("/activity")
    assert "<del>0 0 * * *</del> → <ins>0 1 * * *</ins>" in page
    assert HOSTILE not in page
    assert "a worker route" in page
    assert "maintenance" in page
    assert "from 127.0.0.1" in page
    assert (await browser.page("/activity?action=pause&who=admin&target=count")).count("<tr>") == 2
    assert "Nothing of that kind" in await browser.page("/activity?who=nobody")


async def test_activity_of_any_shape_is_shown(site: OpenSite, database: str) -> None:
    one = await site()
    store = ActivityStore(one.machine.pools)
    details: list[Any] = [
        {"differences": [1]},
        {"differences": {"a": 1, "b": {"c": [1]}, "d": {"e": [None, {"x": [HOSTILE]}]}}},
        {"until": "2026-99-99T00:00:00+00:00", "at": "2026-03-10T12:00:00+00:00", "list": [None]},
        {"runId": HOSTILE, "params": {HOSTILE: HOSTILE}, "text": "x" * 5000},
    ]
    for n, detail in enumerate(details):
        await store.record(
            at=START, who=HOSTILE, source=HOSTILE, action=f"odd_{n}", target=HOSTILE, detail=detail
        )
    async with connect(database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM lamplighter.activity") == len(
            details
        )
    page = await (await logged_in(one)).page("/activity")
    assert HOSTILE not in page
    assert "odd 2" in page
    assert "2026-03-10 12:00:00 UTC" in page


async def test_activity_is_turned_over(site: OpenSite) -> None:
    one = await site()
    store = ActivityStore(one.machine.pools)
    for n in range(60):
        await store.record(at=START, who="admin", source=None, action="edit", target=f"thing {n}")
    browser = await logged_in(one)
    page = await browser.page("/activity?action=edit")
    older = re.search(r'href="(/activity\?action=edit&amp;before=\d+)"', page)
    assert older
    second = await browser.page(older[1].replace("&amp;", "&"))
    assert "<b>thing 9</b>" in second
    assert "<b>thing 10</b>" not in second


async def test_a_stranger_sees_nothing_of_a_run(site: OpenSite) -> None:
    one = await site()
    run = (await one.work("count")).body["runId"]
    answer = await Browser(one).call(f"/runs/{run}")
    assert (answer.status, answer.text) == (303, "")
