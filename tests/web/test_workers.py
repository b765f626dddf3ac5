"""Do the worker routes run the job and say how it went, with every status of the contract?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field, ValidationInfo, field_validator

from scheduler.days import day_of
from scheduler.entry import Retry
from scheduler.errors import NotFoundError
from scheduler.job import Asking, Day, Done, Job, JobContext, Listed, Outcome, Params, Skipped
from scheduler.run import Status
from tests.support.machine import NoParams, Stage
from tests.web.site import CountParams, OpenSite, scheduled

ONCE = Retry(attempts=1)


async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise ValueError("the invoice is torn")


async def skip(_ctx: JobContext, _params: NoParams) -> Outcome:
    return Skipped("nobody is due")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_get_and_post_run_the_job_and_answer_with_its_data(
    site: OpenSite, method: str
) -> None:
    one = await site()
    answer = await one.work("count", method)
    assert answer.status == 200
    assert answer.body["success"] is True
    assert answer.body["data"] == {"days": 30, "eventsDays": 90, "dryRun": False, "note": ""}
    [run] = await one.machine.record()
    assert answer.body["runId"] == str(run.id)
    assert (run.trigger, run.status) == ("http", Status.SUCCEEDED)
    assert run.requested_by == "http:127.0.0.1"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_run_nothing(site: OpenSite, method: str) -> None:
    one = await site()
    answer = await one.work("count", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"
    if method != "HEAD":
        assert answer.error.startswith(f"{method} is not possible")
    assert await one.machine.record() == []


async def test_what_is_only_shown_cannot_be_posted_to(site: OpenSite) -> None:
    one = await site()
    assert (await one.work("health")).status == 405
    assert (await one.work(f"runs/{'0' * 32}")).status == 405


async def test_a_skipped_run_is_a_success_with_its_reason(site: OpenSite) -> None:
    one = await site({"quiet": skip})
    answer = await one.work("quiet")
    assert answer.status == 200
    assert answer.body["data"] == {"reason": "nobody is due"}


async def test_arguments_of_the_query_are_typed(site: OpenSite) -> None:
    one = await site()
    answer = await one.work("count", "GET", params={"days": "7", "dry_run": "true", "note": "x y"})
    assert answer.body["data"] == {"days": 7, "eventsDays": 90, "dryRun": True, "note": "x y"}


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
)
@pytest.mark.parametrize("name", ["events_days", "eventsDays"])
async def test_a_json_object_counts_whatever_its_content_type(
    site: OpenSite, content_type: str, name: str
) -> None:
    one = await site()
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await one.work("count", data=json.dumps({name: 5}).encode(), headers=headers)
    assert answer.status == 200
    assert answer.body["data"]["eventsDays"] == 5


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"{}", b"\xef\xbb\xbf{}"])
async def test_an_empty_body_is_no_body(site: OpenSite, body: Any) -> None:
    one = await site()
    assert (await one.work("count", data=body)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b"7",
        b"null",
        b"days=30",
        b'{"days": NaN}',
        b'{"days": 1e999}',
        b'{"note": "\\ud800"}',
        b'{"note": "\\u0000"}',
        b'{"\\u0000": 1}',
        b"\xff\xfe{}",
        b'{"days": ' + b"9" * 5000 + b"}",
        b'{"days": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"days": ' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
async def test_a_body_that_is_no_json_object_is_400(site: OpenSite, body: Any) -> None:
    one = await site()
    answer = await one.work("count", data=body)
    assert answer.status == 400
    assert answer.error.startswith("the body ")
    assert len(answer.text) < 400
    assert await one.machine.record() == []


@pytest.mark.parametrize(
    ("query", "body", "field", "words"),
    [
        ("days=0", {}, "days", "at least 1 and at most 3650"),
        ("days=3651", {}, "days", "at least 1 and at most 3650"),
        ("days=x", {}, "days", "whole number"),
        ("dryRun=maybe", {}, "dryRun", "true or false"),
        ("", {"eventsDays": 1.5}, "eventsDays", "whole number"),
        ("", {"events_days": True}, "events_days", "number"),
        ("", {"days": None}, "days", "whole number"),
        ("", {"note": "x" * 21}, "note", "20 characters"),
        ("", {"dayz": 3}, "dayz", "did you mean 'days'?"),
        ("colour=red", {}, "colour", "allowed are days, events_days, dry_run, note"),
        ("days=3&days=3", {}, "days", "only once"),
        ("days=3", {"days": 3}, "days", "only once"),
        ("", {"eventsDays": 3, "events_days": 3}, "events_days", "is the same as 'eventsDays'"),
        ("x" * 300 + "=1", {}, "x" * 99 + "…", "is not a parameter"),
        ("wait=soon", {}, "wait", "from 0 to 86400"),
        ("wait=-1", {}, "wait", "from 0 to 86400"),
        ("wait=nan", {}, "wait", "from 0 to 86400"),
        ("wait=86401", {}, "wait", "from 0 to 86400"),
        ("reason=" + "x" * 501, {}, "reason", "500 characters"),
    ],
)
async def test_arguments_that_do_not_fit_are_422_and_named(
    site: OpenSite, query: str, body: Any, field: str, words: str
) -> None:
    one = await site()
    answer = await one.work(f"count?{query}", json=body)
    assert answer.status == 422
    assert list(answer.body["fields"]) == [field]
    assert words in answer.body["fields"][field]
    assert answer.error
    assert len(answer.text) < 1000
    assert await one.machine.record() == []


async def test_all_that_is_wrong_is_told_at_once(site: OpenSite) -> None:
    one = await site()
    answer = await one.work("count", json={"days": 0, "eventsDays": 0, "colour": 1})
    assert set(answer.body["fields"]) == {"days", "eventsDays", "colour"}


async def test_a_body_full_of_unknown_names_is_refused_before_it_is_compared(
    site: OpenSite,
) -> None:
    one = await site()
    answer = await one.work("count", json={f"name{n}": n for n in range(3000)})
    assert answer.status == 422
    assert answer.error == "3000 parameters are given; 100 may be"


async def test_nul_in_the_query_is_422(site: OpenSite) -> None:
    one = await site()
    assert (await one.work("count?note=%00")).status == 422


async def test_an_entry_is_called_by_its_own_name_with_its_own_params(site: OpenSite) -> None:
    entries = [
        scheduled("count", params=CountParams()),
        scheduled("weekly", job="count", params=CountParams(days=7)),
        scheduled("deep/er", job="count", params=CountParams(days=70)),
    ]
    one = await site(entries=entries)
    assert (await one.work("weekly")).body["data"]["days"] == 7
    assert (await one.work("weekly?eventsDays=1")).body["data"]["days"] == 7
    assert (await one.work("deep/er")).body["data"]["days"] == 70
    assert (await one.work("deep%2Fer")).body["data"]["days"] == 70
    assert (await one.work("deep%2fer?days=3")).body["data"]["days"] == 3


async def test_a_job_outside_the_schedule_runs_by_its_defaults(site: OpenSite) -> None:
    one = await site(entries=[])
    answer = await one.work("count")
    assert answer.status == 200
    assert answer.body["data"]["days"] == 30


async def test_an_unknown_job_is_404(site: OpenSite) -> None:
    one = await site()
    answer = await one.work("counts" + "x" * 500)
    assert answer.status == 404
    assert answer.error.startswith("there is no job called 'counts")
    assert len(answer.text) < 300


async def test_a_failed_run_is_500_with_the_jobs_own_sentence(site: OpenSite) -> None:
    one = await site({"torn": fail}, entries=[scheduled("torn", retry=ONCE)])
    answer = await one.work("torn")
    assert answer.status == 500
    assert answer.error == "torn failed: the invoice is torn"
    [run] = await one.machine.record()
    assert answer.body["runId"] == str(run.id)


async def test_a_run_that_timed_out_is_504(site: OpenSite) -> None:
    entry = scheduled("slow", retry=ONCE, timeout=timedelta(milliseconds=50))
    one = await site({"slow": Stage()}, entries=[entry])
    answer = await one.work("slow")
    assert answer.status == 504
    assert answer.error.startswith("slow timed out")
    assert answer.body["runId"]


async def test_a_run_that_was_cancelled_is_409(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    call = asyncio.create_task(one.work("slow"))
    await stage.begin()
    [run] = await one.machine.record()
    await one.machine.runner.cancel(run.id, "enough of it")
    answer = await call
    assert answer.status == 409
    assert answer.error == "slow was cancelled: enough of it"
    assert answer.body["runId"] == str(run.id)


@pytest.mark.parametrize("wait", ["0", "0.3"])
async def test_past_its_wait_the_answer_is_202_and_the_run_goes_on(
    site: OpenSite, wait: str
) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    answer = await one.work(f"slow?wait={wait}")
    assert answer.status == 202
    assert answer.body["success"] is True
    assert answer.body["data"] == {"status": "running"}
    run_id = answer.body["runId"]
    assert answer.headers["Location"] == f"/api/v1/workers/runs/{run_id}"
    stage.may_end.set()
    [run] = await one.machine.record()
    await one.machine.runner.wait(run.id, 30)
    later = await one.call(answer.headers["Location"])
    assert later.status == 200
    assert later.body["runId"] == run_id
    assert later.body["data"]["status"] == "succeeded"
    assert later.body["data"]["data"] == {"worked": True}
    assert "log" not in later.body["data"]


async def test_a_run_that_waits_for_a_place_is_202_queued(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"first": stage, "second": Stage()}, max_concurrent_runs=1)
    assert (await one.work("first?wait=0")).status == 202
    answer = await one.work("second?wait=0")
    assert answer.status == 202
    assert answer.body["data"] == {"status": "queued"}
    stage.may_end.set()


async def test_a_caller_that_hangs_up_does_not_stop_the_run(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    _, writer = await one.connect()
    writer.write(
        b"POST /api/v1/workers/slow HTTP/1.1\r\nHost: x\r\n"
        b"Authorization: Bearer the-secret-of-the-crontab\r\n\r\n"
    )
    await stage.begin()
    writer.close()
    await writer.wait_closed()
    [run] = await one.machine.record()
    assert run.status == Status.RUNNING
    stage.may_end.set()
    ended = await one.machine.runner.wait(run.id, 30)
    assert ended is not None
    assert ended.status == Status.SUCCEEDED


async def test_a_job_that_is_running_is_409_with_the_running_runs_id(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    first = await one.work("slow?wait=0")
    answer = await one.work("slow")
    assert answer.status == 409
    assert answer.error == "slow is already running"
    assert answer.body["runId"] == first.body["runId"]
    stage.may_end.set()


async def test_the_same_idempotency_key_answers_with_the_first_run(site: OpenSite) -> None:
    one = await site()
    headers = {"Idempotency-Key": "order 66 / A"}
    first = await one.work("count?days=3", headers=headers)
    again = await one.work("count", headers=headers, json={"days": 3})
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert len(await one.machine.record()) == 1


async def test_the_key_answers_with_the_run_while_it_runs_too(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    headers = {"Idempotency-Key": "k"}
    first = await one.work("slow?wait=0", headers=headers)
    waiting = asyncio.create_task(one.work("slow", headers=headers))
    stage.may_end.set()
    again = await waiting
    assert again.status == 200
    assert again.body["runId"] == first.body["runId"]
    assert len(stage.starts) == 1


async def test_the_same_key_with_other_arguments_is_422(site: OpenSite) -> None:
    one = await site()
    headers = {"Idempotency-Key": "k"}
    first = await one.work("count?days=3", headers=headers)
    answer = await one.work("count?days=4", headers=headers)
    assert answer.status == 422
    assert "Idempotency-Key" in answer.body["fields"]
    assert answer.body["runId"] == first.body["runId"]
    assert len(await one.machine.record()) == 1


async def test_a_key_is_free_again_after_a_day(site: OpenSite) -> None:
    one = await site()
    headers = {"Idempotency-Key": "k"}
    await one.work("count?days=3", headers=headers)
    one.time.move(hours=24, seconds=1)
    assert (await one.work("count?days=4", headers=headers)).status == 200


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9", "tab\there"])
async def test_a_key_that_is_no_key_is_422(site: OpenSite, key: str) -> None:
    one = await site()
    answer = await one.work("count", headers={"Idempotency-Key": key})
    assert answer.status == 422
    assert answer.body["fields"] == {"Idempotency-Key": "1 to 200 printable ASCII characters"}


@pytest.mark.parametrize("where", ["content-length", "chunked"])
async def test_a_body_over_64_kib_is_413(site: OpenSite, where: str) -> None:
    one = await site()
    body = json.dumps({"note": "x" * 65_536}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = await one.work("count", data=body if where == "content-length" else chunks())
    assert answer.status == 413
    assert answer.error == "the body may have 64 KiB"


async def test_a_body_of_64_kib_is_read(site: OpenSite) -> None:
    one = await site()
    body = b'{"days": 3}'.ljust(65_536)
    assert (await one.work("count", data=body)).body["data"]["days"] == 3


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
async def test_a_compressed_body_is_415(site: OpenSite, encoding: str) -> None:
    one = await site()
    answer = await one.work("count", data=b"{}", headers={"Content-Encoding": encoding})
    assert answer.status == 415
    assert "compressed" in answer.error


async def test_nothing_is_run_while_the_daemon_drains(site: OpenSite) -> None:
    one = await site()
    one.conditions.draining = True
    answer = await one.work("count")
    assert answer.status == 503
    assert answer.error == "no runs are taken now: draining"
    assert await one.machine.record() == []


async def test_a_run_that_the_stop_interrupts_is_503_with_its_id(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    call = asyncio.create_task(one.work("slow"))
    await stage.begin()
    one.conditions.draining = True
    await one.machine.runner.drain(0)
    answer = await call
    assert answer.status == 503
    assert answer.error == "the daemon is stopping; the run goes on after its restart"
    [run] = await one.machine.record()
    assert answer.body["runId"] == str(run.id)
    assert run.status == Status.RETRYING


async def test_a_run_that_the_stop_ends_for_good_is_503_too(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage}, entries=[scheduled("slow", retry=ONCE)])
    call = asyncio.create_task(one.work("slow"))
    await stage.begin()
    one.conditions.draining = True
    await one.machine.runner.drain(0)
    answer = await call
    assert answer.status == 503
    assert "stopped while it ran" in answer.error


async def test_a_run_that_ends_during_the_drain_is_answered(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    call = asyncio.create_task(one.work("slow"))
    await stage.begin()
    one.conditions.draining = True
    stage.may_end.set()
    assert (await call).status == 200


async def test_without_a_database_it_is_503(site: OpenSite) -> None:
    one = await site()
    await one.machine.pools.close()
    answer = await one.work("count")
    assert answer.status == 503
    assert answer.error == "the database is away; try again in a moment"


async def test_a_database_that_goes_away_during_the_run_is_503_with_the_runs_id(
    site: OpenSite,
) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    call = asyncio.create_task(one.work("slow?wait=2"))
    await stage.begin()
    [run] = await one.machine.record()
    await one.machine.pools.close()
    stage.may_end.set()
    answer = await call
    assert answer.status == 503
    assert answer.body["runId"] == str(run.id)


async def test_only_runs_of_worker_routes_are_shown_there(site: OpenSite) -> None:
    one = await site()
    by_hand = await one.admin("/api/v1/jobs/count/trigger", "POST")
    run_id = by_hand.body["runId"]
    assert (await one.call(f"/api/v1/workers/runs/{run_id}")).status == 404
    assert (await one.call("/api/v1/workers/runs/7")).status == 404
    assert (await one.call(f"/api/v1/workers/runs/{'0' * 32}")).status == 404


async def test_a_call_is_in_the_activity_once(site: OpenSite) -> None:
    one = await site()
    headers = {"Idempotency-Key": "k"}
    await one.work("count?days=3&reason=month%20end", headers=headers)
    await one.work("count?days=3", headers=headers)
    [row] = await one.daemon.activity.recent()
    assert (row.who, row.source, row.action) == ("cron", "127.0.0.1", "trigger")
    assert (row.target, row.reason) == ("count", "month end")
    params: Any = row.detail["params"]
    assert params["days"] == 3


async def test_what_a_handler_did_not_foresee_is_500_without_its_text(site: OpenSite) -> None:
    one = await site()

    def broken() -> object:
        raise RuntimeError("password=hunter2")

    object.__setattr__(one.daemon, "now", broken)
    answer = await one.work("count")
    assert answer.status == 500
    assert "hunter2" not in answer.text
    assert answer.error == "the daemon failed to answer this; its log says why"


async def test_a_repeated_call_is_the_same_after_the_schedules_own_params_changed(
    site: OpenSite,
) -> None:
    one = await site()
    first = await one.work("count?events_days=40", headers={"Idempotency-Key": "k"})
    entry = one.machine.runner.schedule.entries["count"]
    changed = replace(entry, params=CountParams(days=7))
    schedule = replace(one.machine.runner.schedule, entries={"count": changed})
    one.machine.runner.schedule = one.machine.clock.schedule = schedule
    again = await one.work("count?eventsDays=40", headers={"Idempotency-Key": "k"})
    assert (again.status, again.body["runId"]) == (200, first.body["runId"])
    other = await one.work("count?eventsDays=41", headers={"Idempotency-Key": "k"})
    assert other.status == 422


async def test_what_is_no_number_is_named_beside_everything_else(site: OpenSite) -> None:
    one = await site()
    answer = await one.work("count", json={"days": True, "events_days": 0, "dry_run": "perhaps"})
    assert answer.status == 422
    assert set(answer.body["fields"]) == {"days", "events_days", "dry_run"}


class OfProject(Params):
    project_id: str | None = None
    period_hours: int = Field(24, ge=1, le=2160)


async def look(_ctx: JobContext, params: OfProject) -> Outcome:
    if params.project_id == "gone":
        raise NotFoundError("there is no project gone")
    return Done(params.model_dump(by_alias=True))


AT_A_PROJECT: Job[Any] = Job(
    run=look,
    params=OfProject,
    path="projects/{project_id}/look",
    one_for=lambda params: f"project:{params.project_id}",
)


async def test_a_job_may_be_called_at_a_path_that_holds_its_parameters(site: OpenSite) -> None:
    one = await site({"look": AT_A_PROJECT})
    answer = await one.work("projects/p%2D1/look?periodHours=5", "GET")
    assert (answer.status, answer.body["data"]) == (200, {"projectId": "p-1", "periodHours": 5})
    answer = await one.work("projects/gone/look")
    assert (answer.status, answer.error) == (404, "there is no project gone")
    assert answer.body["runId"]
    assert (await one.work("projects/x/look?projectId=y")).status == 422
    assert (await one.work("projects/x/look?periodHours=0")).status == 422
    assert (await one.work("projects/a/b/look")).status == 404


class OfDays(Params):
    day: Day | None = None
    names: Listed[str] = ()

    @field_validator("day")
    @classmethod
    def _is_over(cls, day: date | None, info: ValidationInfo) -> date | None:
        if day is not None and isinstance(info.context, Asking):
            today = day_of(info.context.now, info.context.timezone)
            if day >= today:
                raise ValueError(f"is not over: it is {today}")
        return day


async def count_days(_ctx: JobContext, params: OfDays) -> Outcome:
    return Done(params.model_dump(mode="json"))


async def test_what_cannot_be_right_at_the_moment_of_asking_is_422_and_no_run(
    site: OpenSite,
) -> None:
    """It is a quarter past midnight in Berlin, and still yesterday in UTC."""
    job: Job[Any] = Job(run=count_days, params=OfDays)
    entry = scheduled("days", params=OfDays(), timezone=ZoneInfo("Europe/Berlin"))
    one = await site({"days": job}, entries=[entry])
    one.time.moment = datetime(2026, 3, 10, 23, 15, tzinfo=UTC)
    for answer in (
        await one.work("days?day=2026-03-11"),
        await one.work("days", json={"day": "2026-03-11"}),
        await one.admin(
            "/api/v1/jobs/days/trigger", "POST", json={"params": {"day": "2026-03-11"}}
        ),
    ):
        assert (answer.status, answer.error) == (422, "day: is not over: it is 2026-03-11")
        assert answer.body["fields"] == {"day": "is not over: it is 2026-03-11"}
    assert await one.machine.record() == []
    assert (await one.work("days?day=2026-03-10")).body["data"]["day"] == "2026-03-10"


async def test_a_list_in_the_query_has_commas(site: OpenSite) -> None:
    job: Job[Any] = Job(run=count_days, params=OfDays)
    one = await site({"days": job}, entries=[])
    answer = await one.work("days?names=a,b%20c,%20d", "GET")
    assert answer.body["data"]["names"] == ["a", "b c", "d"]
    assert (await one.work("days?names=", "GET")).body["data"]["names"] == []
    assert (await one.work("days?names=a&names=b", "GET")).status == 422


async def test_only_one_run_at_a_time_works_on_one_thing(site: OpenSite) -> None:
    stage = Stage()

    async def wait(ctx: JobContext, _params: OfProject) -> Outcome:
        return await stage(ctx, NoParams())

    slow: Job[Any] = Job(
        run=wait,
        params=OfProject,
        path="projects/{project_id}",
        one_for=lambda params: f"project:{params.project_id}",
    )
    one = await site({"slow": slow, "look": AT_A_PROJECT}, entries=[])
    first = await one.work("projects/a?wait=0")
    await stage.begin()
    for busy in ("projects/a", "projects/a/look"):
        answer = await one.work(busy)
        assert (answer.status, answer.body["runId"]) == (409, first.body["runId"])
    assert (await one.work("projects/b/look")).status == 200
    by_name = await one.work("slow")
    assert (by_name.status, by_name.error) == (404, "slow is called at projects/{project_id}")
    paths = (await one.call("/openapi.json", secret=None)).body["paths"]
    called = paths["/api/v1/workers/projects/{project_id}/look"]["post"]
    assert next((each["in"], each["name"]) for each in called["parameters"]) == (
        "path",
        "project_id",
    )
    assert "/api/v1/workers/look" not in paths
    stage.may_end.set()
