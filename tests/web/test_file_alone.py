"""Can nobody who asks for a run change the parameters that are the schedule file's alone?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from scheduler.db.runs import Run
from scheduler.entry import Entry, Retry, Schedule
from scheduler.job import Done, Job, JobContext, Outcome, Params
from scheduler.run import Status
from tests.support.machine import START, connect
from tests.web.browsing import logged_in
from tests.web.site import CountParams, OpenSite, Site, scheduled


class Order(Params):
    from_file_alone: ClassVar[bool] = True

    url: str
    """Where it goes."""
    headers: dict[str, str] = Field(default_factory=dict)


async def order(_ctx: JobContext, params: Order) -> Outcome:
    return Done({"went": params.url})


ORDER: Job[Any] = Job(run=order, params=Order)
MINE = Order(url="http://ours/", headers={"X-Note": "${NOTE}"})
REPORT = scheduled("report", job="order", params=MINE, retry=Retry(attempts=1))
REFUSED = "come from the schedule file alone"


async def opened(site: OpenSite) -> Site:
    return await site({"order": ORDER}, entries=[REPORT, scheduled("count", params=CountParams())])


async def only_run(one: Site) -> Run:
    [run] = await one.machine.record()
    return run


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_worker_route_runs_what_the_file_says(site: OpenSite, method: str) -> None:
    one = await opened(site)
    answer = await one.work("report?reason=now&wait=20", method)
    assert (answer.status, answer.body["data"]) == (200, {"went": "http://ours/"})
    assert (await only_run(one)).params == MINE.model_dump()


@pytest.mark.parametrize("name", ["url", "headers", "nonsense"])
async def test_a_worker_route_takes_none_of_them(site: OpenSite, name: str) -> None:
    one = await opened(site)
    for options in ({"json": {name: "x"}}, {"data": json.dumps({name: {}})}):
        answer = await one.work("report", **options)
        assert answer.status == 422
        assert REFUSED in answer.error
        assert REFUSED in answer.body["fields"][name]
    answer = await one.work(f"report?{name}=http://theirs/", "GET")
    assert answer.status == 422
    assert await one.machine.record() == []


async def test_the_admin_api_takes_none_of_them(site: OpenSite) -> None:
    one = await opened(site)
    path = "/api/v1/jobs/report/trigger"
    answer = await one.admin(path, "POST", json={"params": {"url": "http://theirs/"}})
    assert answer.status == 422
    assert REFUSED in answer.body["fields"]["url"]
    assert (await one.admin(path, "POST", json={"reason": "now"})).status == 200
    shown = (await one.admin("/api/v1/jobs/report")).body
    assert shown["params"]["properties"] == {}


async def test_by_its_own_name_it_does_not_run(site: OpenSite) -> None:
    one = await opened(site)
    for answer in (
        await one.work("order"),
        await one.admin("/api/v1/jobs/order/trigger", "POST"),
        await one.admin("/api/v1/jobs/order"),
    ):
        assert answer.status == 404
        assert "only by the name of an entry with `job: order`; there are report" in answer.error
    names = {item["name"] for item in (await one.admin("/api/v1/jobs")).body["items"]}
    assert names == {"report", "count"}
    paths = (await one.call("/openapi.json", secret=None)).body["paths"]
    assert "/api/v1/workers/order" not in paths
    asked = {one["name"] for one in paths["/api/v1/workers/report"]["get"]["parameters"]}
    assert asked == {"wait", "reason", "Idempotency-Key"}


async def test_the_page_has_no_form_for_them(site: OpenSite) -> None:
    one = await opened(site)
    browser = await logged_in(one)
    page = await browser.page("/jobs/report")
    assert "From the schedule file alone" in page
    assert "http://ours/" in page
    assert "{&#34;X-Note&#34;: &#34;${NOTE}&#34;}" in page
    assert 'name="p.' not in await browser.page("/jobs/report/trigger")
    sent = {"p.url": "http://theirs/", "url": "http://theirs/", "reason": "now"}
    answer = await browser.send("/jobs/report/trigger", sent)
    assert answer.status == 303
    run = await one.machine.runner.wait((await only_run(one)).id, 20)
    assert run is not None
    assert run.data == {"went": "http://ours/"}
    assert "order" in (await browser.page("/"))


def changed(one: Site, *entries: Entry) -> None:
    """Another schedule file is in force."""
    schedule = Schedule({entry.name: entry for entry in entries})
    one.machine.runner.schedule = schedule
    one.machine.clock.schedule = schedule


async def test_a_run_is_repeated_as_the_file_has_it_now(site: OpenSite) -> None:
    one = await opened(site)
    await one.work("report")
    first = await only_run(one)
    changed(one, replace(REPORT, params=Order(url="http://ours/v2")))
    browser = await logged_in(one)
    answer = await browser.send(f"/runs/{first.id}/repeat")
    again = await one.machine.runner.wait(UUID(answer.headers["Location"].rpartition("/")[2]), 20)
    assert again is not None
    assert again.data == {"went": "http://ours/v2"}


async def queued(database: str, **columns: Any) -> Any:
    """A run that somebody wrote into the record by hand."""
    run = {
        "id": uuid4(),
        "job": "report",
        "job_type": "order",
        "params": {"url": "http://theirs/"},
        **columns,
    }
    async with connect(database) as connection:
        await connection.execute(
            "INSERT INTO lamplighter.runs (id, job, job_type, trigger, status, scheduled_for,"
            " overlap_key, params, attempt, max_attempts, created_at)"
            " VALUES ($1, $2, $3, 'admin', 'queued', $5, $2, $4, 0, 1, $5)",
            *(run["id"], run["job"], run["job_type"], run["params"], START),
        )
    return run["id"]


async def test_what_the_record_says_does_not_count(site: OpenSite, database: str) -> None:
    one = await opened(site)
    run = await one.machine.runner.wait(await queued(database), 20)
    assert run is not None
    assert (run.status, run.data) == (Status.SUCCEEDED, {"went": "http://ours/"})
    events = {line.event: line.fields for line in await one.machine.store.log_lines(run.id)}
    assert events["schedule_has_changed"] == {"params": MINE.model_dump()}


@pytest.mark.parametrize("job", ["gone", "count"])
async def test_without_its_entry_nothing_runs(site: OpenSite, database: str, job: str) -> None:
    one = await opened(site)
    run = await one.machine.runner.wait(await queued(database, job=job), 20)
    assert run is not None
    assert (run.status, run.error_type) == (Status.FAILED, "JobError")
    assert f"no entry {job} with `job: order` any more" in (run.error_message or "")
