"""Does the admin API show what is, and do what it is told, on the record?"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from scheduler.entry import Retry
from scheduler.job import JobContext, Outcome
from scheduler.run import Status
from scheduler.timing.reload import ReloadResult
from tests.support.machine import START, NoParams, Stage
from tests.web.site import PROBLEM, CountParams, OpenSite, Site, scheduled

RUN = {
    *("id", "job", "trigger", "status", "scheduledFor", "startedAt", "finishedAt", "durationMs"),
    *("latenessMs", "attempt", "maxAttempts", "nextAttemptAt", "params", "data", "error"),
    *("progress", "requestedBy", "reason", "replica"),
}
JOB = {
    *("name", "job", "description", "cron", "words", "timezone", "enabled", "paused", "state"),
    *("stateReason", "nextFires", "lastRun", "lastSuccessAt", "params"),
}
AT = START.isoformat()


async def activity(one: Site) -> list[dict[str, Any]]:
    answer = await one.admin("/api/v1/activity")
    assert answer.status == 200
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def test_all_jobs_are_listed_also_those_outside_the_schedule(site: OpenSite) -> None:
    entries = [
        scheduled("weekly", job="count", params=CountParams(days=7), cron="0 6 * * 1"),
        scheduled("off", job="count", params=CountParams(), enabled=False),
    ]
    one = await site(entries=entries)
    answer = await one.admin("/api/v1/jobs")
    assert answer.status == 200
    assert answer.body["next"] is None
    weekly, off, count = answer.body["items"]
    assert set(weekly) == set(off) == set(count) == JOB
    assert (weekly["name"], weekly["job"], weekly["cron"]) == ("weekly", "count", "0 6 * * 1")
    assert (weekly["description"], weekly["timezone"], weekly["enabled"]) == (
        "Counts.",
        "UTC",
        True,
    )
    assert "Monday" in weekly["words"]
    assert weekly["nextFires"] == [
        "2026-03-16T06:00:00+00:00",
        "2026-03-23T06:00:00+00:00",
        "2026-03-30T06:00:00+00:00",
    ]
    assert (weekly["paused"], weekly["state"], weekly["lastRun"]) == (None, "ok", None)
    days = weekly["params"]["properties"]["days"]
    assert (days["type"], days["minimum"], days["maximum"]) == ("integer", 1, 3650)
    assert days["default"] == 7
    assert (off["enabled"], off["nextFires"]) == (False, [])
    assert (count["cron"], count["words"], count["enabled"]) == (None, None, False)
    assert count["nextFires"] == []


async def test_one_job_shows_its_last_run(site: OpenSite) -> None:
    one = await site()
    run_id = (await one.work("count")).body["runId"]
    answer = await one.admin("/api/v1/jobs/count")
    assert answer.status == 200
    assert set(answer.body) == JOB
    assert set(answer.body["lastRun"]) == RUN
    assert answer.body["lastRun"]["id"] == run_id
    assert answer.body["lastSuccessAt"] == AT


async def test_names_may_hold_slashes_plain_or_escaped(site: OpenSite) -> None:
    entries = [scheduled("deep/er", job="count", params=CountParams())]
    one = await site(entries=entries)
    for spelled in ("deep/er", "deep%2Fer", "deep%2fer"):
        assert (await one.admin(f"/api/v1/jobs/{spelled}")).body["name"] == "deep/er"
        for verb in ("trigger", "pause", "resume"):
            answer = await one.admin(f"/api/v1/jobs/{spelled}/{verb}", "POST")
            assert answer.status == 200, (spelled, verb)


@pytest.mark.parametrize("verb", ["", "/trigger", "/pause", "/resume"])
async def test_an_unknown_job_is_404(site: OpenSite, verb: str) -> None:
    one = await site()
    answer = await one.admin(f"/api/v1/jobs/nope{verb}", "POST" if verb else "GET")
    assert answer.status == 404
    assert answer.error == "there is no job called 'nope'"
    nearly = await one.admin(f"/api/v1/jobs/cuont{verb}", "POST" if verb else "GET")
    assert nearly.error == "there is no job called 'cuont' (did you mean 'count'?)"


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("jobs", "POST", "GET"),
        ("jobs/count", "DELETE", "GET"),
        ("jobs/count/trigger", "GET", "POST"),
        ("jobs/count/pause", "PUT", "POST"),
        ("runs", "POST", "GET"),
        ("activity", "DELETE", "GET"),
        ("schedule/reload", "GET", "POST"),
    ],
)
async def test_other_methods_are_405(site: OpenSite, path: str, method: str, allowed: str) -> None:
    one = await site()
    answer = await one.admin(f"/api/v1/{path}", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    assert answer.error.endswith(f"possible: {allowed}")


async def test_a_trigger_runs_the_job_with_params_and_reason(site: OpenSite) -> None:
    one = await site()
    body = {"params": {"eventsDays": 5, "dry_run": True}, "reason": "a customer asked"}
    answer = await one.admin("/api/v1/jobs/count/trigger", "POST", json=body)
    assert answer.status == 200
    assert answer.body["success"] is True
    assert answer.body["data"]["eventsDays"] == 5
    [run] = await one.machine.record()
    assert (run.trigger, run.requested_by) == ("admin", "admin:127.0.0.1")
    assert (run.reason, str(run.id)) == ("a customer asked", answer.body["runId"])
    [row] = await activity(one)
    assert row == {
        "id": row["id"],
        "at": AT,
        "who": "admin",
        "source": "127.0.0.1",
        "action": "trigger",
        "target": "count",
        "reason": "a customer asked",
        "detail": {
            "runId": str(run.id),
            "params": {"days": 30, "events_days": 5, "dry_run": True, "note": ""},
        },
    }


async def test_a_trigger_past_its_wait_says_where_the_run_is(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    answer = await one.admin("/api/v1/jobs/slow/trigger?wait=0&reason=why%20not", "POST")
    assert answer.status == 202
    assert answer.headers["Location"] == f"/api/v1/runs/{answer.body['runId']}"
    assert (await one.admin(answer.headers["Location"])).body["reason"] == "why not"
    busy = await one.admin("/api/v1/jobs/slow/trigger", "POST")
    assert (busy.status, busy.body["runId"]) == (409, answer.body["runId"])
    assert len(await activity(one)) == 1
    stage.may_end.set()


@pytest.mark.parametrize(
    ("query", "body", "field", "words"),
    [
        ("", {"parms": {}}, "parms", "allowed are reason, params"),
        ("", {"params": 7}, "params", "must be a mapping"),
        ("", {"params": {"days": 0}}, "days", "at least 1 and at most 3650"),
        ("", {"params": {"colour": 1}}, "colour", "not a parameter"),
        ("", {"reason": 7}, "reason", "must be text"),
        ("", {"reason": "x" * 501}, "reason", "500 characters"),
        ("days=3", {}, "days", "the body's params"),
        ("reason=a", {"reason": "b"}, "reason", "only once"),
        ("wait=x", {}, "wait", "from 0 to 86400"),
    ],
)
async def test_a_trigger_that_does_not_fit_is_422(
    site: OpenSite, query: str, body: Any, field: str, words: str
) -> None:
    one = await site()
    answer = await one.admin(f"/api/v1/jobs/count/trigger?{query}", "POST", json=body)
    assert answer.status == 422
    assert list(answer.body["fields"]) == [field]
    assert words in answer.body["fields"][field]
    assert answer.error
    assert await one.machine.record() == []


async def test_a_broken_body_is_400(site: OpenSite) -> None:
    one = await site()
    answer = await one.admin("/api/v1/jobs/count/trigger", "POST", data=b"{")
    assert answer.status == 400


async def test_a_pause_holds_until_it_is_ended_and_hand_runs_still_work(site: OpenSite) -> None:
    one = await site()
    body = {"reason": "month end", "until": "2026-03-11T12:00:00+02:00"}
    answer = await one.admin("/api/v1/jobs/count/pause", "POST", json=body)
    assert answer.status == 200
    paused = {
        "reason": "month end",
        "until": "2026-03-11T10:00:00+00:00",
        "by": "admin:127.0.0.1",
    }
    assert answer.body["paused"] == paused
    assert (await one.admin("/api/v1/jobs/count")).body["paused"] == paused
    assert (await one.work("count")).status == 200
    assert (await one.admin("/api/v1/jobs/count/trigger", "POST")).status == 200
    resumed = await one.admin("/api/v1/jobs/count/resume", "POST", json={"reason": "done"})
    assert resumed.status == 200
    assert resumed.body["paused"] is None
    rows = {row["action"]: row for row in await activity(one)}
    assert rows["pause"]["reason"] == "month end"
    assert rows["pause"]["detail"] == {"until": "2026-03-11T12:00:00+02:00"}
    assert (rows["resume"]["target"], rows["resume"]["reason"]) == ("count", "done")


async def test_a_pause_without_until_ends_by_hand_only(site: OpenSite) -> None:
    one = await site()
    answer = await one.admin("/api/v1/jobs/count/pause", "POST")
    assert answer.body["paused"] == {"reason": None, "until": None, "by": "admin:127.0.0.1"}
    one.time.move(days=1000)
    assert (await one.admin("/api/v1/jobs/count")).body["paused"] is not None


async def test_a_pause_past_its_until_is_over(site: OpenSite) -> None:
    one = await site()
    body = {"until": (START + timedelta(hours=1)).isoformat()}
    await one.admin("/api/v1/jobs/count/pause", "POST", json=body)
    one.time.move(hours=1)
    assert (await one.admin("/api/v1/jobs/count")).body["paused"] is None


async def test_resuming_what_is_not_paused_changes_and_records_nothing(site: OpenSite) -> None:
    one = await site()
    answer = await one.admin("/api/v1/jobs/count/resume", "POST")
    assert (answer.status, answer.body["paused"]) == (200, None)
    assert await activity(one) == []


@pytest.mark.parametrize(
    "until",
    ["2026-03-11T12:00:00", "2026-03-10T12:00:00Z", "2026-03-10T11:59:59+00:00", "2h", "", 1e12]
    + ["9999-12-31T23:59:59-14:00", True, ["x"]],
)
async def test_a_pause_ends_at_a_time_with_offset_in_the_future(site: OpenSite, until: str) -> None:
    one = await site()
    answer = await one.admin("/api/v1/jobs/count/pause", "POST", json={"until": until})
    assert answer.status == 422
    assert list(answer.body["fields"]) == ["until"]
    assert "until" in answer.error
    assert (await one.admin("/api/v1/jobs/count")).body["paused"] is None


async def test_a_job_without_a_clock_cannot_be_paused(site: OpenSite) -> None:
    one = await site(entries=[])
    answer = await one.admin("/api/v1/jobs/count/pause", "POST")
    assert answer.status == 409
    assert answer.error == "count is not in the schedule, so no clock runs it"


async def test_runs_are_listed_newest_first_in_pages(site: OpenSite) -> None:
    one = await site()
    ids = [(await one.work(f"count?days={n}")).body["runId"] for n in range(1, 6)]
    seen: list[str] = []
    cursor = ""
    sizes = []
    while True:
        page = (await one.admin(f"/api/v1/runs?limit=2{cursor}")).body
        seen += [run["id"] for run in page["items"]]
        sizes.append(len(page["items"]))
        if page["next"] is None:
            break
        cursor = f"&before={page['next']}"
    assert seen == ids[::-1]
    assert sizes == [2, 2, 1]
    whole = (await one.admin("/api/v1/runs?limit=5")).body
    assert (len(whole["items"]), whole["next"]) == (5, None)
    assert all(set(run) == RUN for run in whole["items"])


async def test_runs_are_filtered(site: OpenSite) -> None:
    async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
        raise ValueError("no")

    one = await site(
        {"torn": fail},
        entries=[
            scheduled("torn", retry=Retry(attempts=1)),
            scheduled("count", params=CountParams()),
        ],
    )
    await one.work("torn")
    await one.work("count")
    await one.admin("/api/v1/jobs/count/trigger", "POST")

    async def jobs(query: str) -> list[tuple[str, str]]:
        answer = await one.admin(f"/api/v1/runs?{query}")
        return [(run["job"], run["trigger"]) for run in answer.body["items"]]

    assert await jobs("") == [("count", "admin"), ("count", "http"), ("torn", "http")]
    assert await jobs("job=torn") == [("torn", "http")]
    assert await jobs("status=succeeded&trigger=http") == [("count", "http")]
    assert await jobs("status=failed") == [("torn", "http")]
    assert await jobs("job=nope") == []


@pytest.mark.parametrize("path", ["runs", "activity"])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("limit", "0", "from 1 to 200"),
        ("limit", "201", "from 1 to 200"),
        ("limit", "ten", "from 1 to 200"),
        ("limit", "-1", "from 1 to 200"),
        ("limit", "9" * 400, "from 1 to 200"),
        ("before", "x", "the `next` of the page before"),
        ("before", "9223372036854775808", "the `next` of the page before"),
        ("before", "", "the `next` of the page before"),
        ("offset", "3", "unknown; allowed: "),
        ("status", "done", ""),
    ],
)
async def test_a_page_that_cannot_be_is_422(
    site: OpenSite, path: str, name: str, value: Any, words: str
) -> None:
    one = await site()
    answer = await one.admin(f"/api/v1/{path}?{name}={value}")
    assert answer.status == 422
    assert words in answer.body["fields"][name]


async def test_filters_name_the_values_that_there_are(site: OpenSite) -> None:
    one = await site()
    answer = await one.admin("/api/v1/runs?status=done")
    assert answer.error.startswith("status must be one of queued, running, retrying, succeeded")
    answer = await one.admin("/api/v1/runs?trigger=me")
    assert answer.error == "trigger must be one of schedule, catch_up, http, admin, cli, rescue"
    assert (await one.admin("/api/v1/runs?status=failed&status=failed")).status == 422


async def test_a_single_run_has_its_attempts_and_its_log(site: OpenSite) -> None:
    one = await site()
    run_id = (await one.work("count?days=3&reason=why")).body["runId"]
    answer = await one.admin(f"/api/v1/runs/{run_id}")
    assert answer.status == 200
    run = answer.body
    assert set(run) == RUN | {"attempts", "log"}
    assert (run["id"], run["job"], run["trigger"]) == (run_id, "count", "http")
    assert (run["status"], run["error"], run["nextAttemptAt"]) == ("succeeded", None, None)
    assert run["scheduledFor"] == run["startedAt"] == run["finishedAt"] == AT
    assert (run["durationMs"], run["latenessMs"]) == (0, 0)
    assert (run["attempt"], run["maxAttempts"], run["replica"]) == (1, 3, "one")
    assert run["params"] == {"days": 3, "eventsDays": 90, "dryRun": False, "note": ""}
    assert run["progress"] == {"done": 1, "total": 2}
    assert (run["requestedBy"], run["reason"]) == ("http:127.0.0.1", "why")
    [attempt] = run["attempts"]
    assert (attempt["attempt"], attempt["cause"], attempt["status"]) == (1, "first", "succeeded")
    [line] = [line for line in run["log"] if line["event"] == "counting"]
    assert line == {
        "at": AT,
        "attempt": 1,
        "level": "info",
        "event": "counting",
        "fields": {"days": 3},
    }


async def test_a_failed_run_shows_its_error(site: OpenSite) -> None:
    async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
        raise ValueError("the invoice is torn")

    one = await site({"torn": fail}, entries=[scheduled("torn", retry=Retry(attempts=1))])
    run_id = (await one.work("torn")).body["runId"]
    run = (await one.admin(f"/api/v1/runs/{run_id}")).body
    assert run["error"] == {"type": "ValueError", "message": "the invoice is torn"}
    assert run["attempts"][0]["error"] == run["error"]


@pytest.mark.parametrize("verb", ["", "/cancel"])
@pytest.mark.parametrize(
    "run_id", ["7", "x" * 300, "0" * 32, "00000000-0000-0000-0000-00000000000g"]
)
async def test_a_run_that_is_not_there_is_404(site: OpenSite, run_id: str, verb: str) -> None:
    one = await site()
    answer = await one.admin(f"/api/v1/runs/{run_id}{verb}", "POST" if verb else "GET")
    assert (answer.status, answer.error) == (404, "there is no such run")


async def test_a_running_run_is_cancelled(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage})
    run_id = (await one.work("slow?wait=0")).body["runId"]
    await stage.begin()
    answer = await one.admin(f"/api/v1/runs/{run_id}/cancel", "POST", json={"reason": "too slow"})
    assert answer.status in {200, 202}
    assert answer.body["id"] == run_id
    [run] = await one.machine.record()
    ended = await one.machine.runner.wait(run.id, 30)
    assert ended is not None
    assert ended.status == Status.CANCELLED
    assert ended.error_message == "cancelled by admin:127.0.0.1: too slow"
    [row] = [row for row in await activity(one) if row["action"] == "cancel"]
    assert (row["target"], row["reason"], row["detail"]) == ("slow", "too slow", {"runId": run_id})


async def test_a_waiting_run_is_cancelled_at_once(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"first": stage, "second": Stage()}, max_concurrent_runs=1)
    await one.work("first?wait=0")
    run_id = (await one.work("second?wait=0")).body["runId"]
    answer = await one.admin(f"/api/v1/runs/{run_id}/cancel", "POST")
    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    stage.may_end.set()


async def test_a_run_that_has_ended_cannot_be_cancelled(site: OpenSite) -> None:
    one = await site()
    run_id = (await one.work("count")).body["runId"]
    answer = await one.admin(f"/api/v1/runs/{run_id}/cancel", "POST")
    assert answer.status == 409
    assert answer.error == "the run has ended already: succeeded"
    assert answer.body["runId"] == run_id
    assert [row["action"] for row in await activity(one)] == ["trigger"]


async def test_activity_comes_in_pages(site: OpenSite) -> None:
    one = await site()
    for n in range(5):
        await one.work(f"count?days={n + 1}")
    first = (await one.admin("/api/v1/activity?limit=3")).body
    second = (await one.admin(f"/api/v1/activity?limit=3&before={first['next']}")).body
    days = [row["detail"]["params"]["days"] for row in first["items"] + second["items"]]
    assert days == [5, 4, 3, 2, 1]
    assert second["next"] is None


async def test_a_reload_says_what_changed(site: OpenSite) -> None:
    async def reload() -> ReloadResult:
        differences = {"a": {"cron": ("0 0 * * *", "0 1 * * *")}}
        return ReloadResult(changed=("a",), added=("b", "c"), differences=differences)

    one = await site(reload=reload)
    answer = await one.admin("/api/v1/schedule/reload", "POST", json={"reason": "new hours"})
    assert answer.status == 200
    assert answer.body == {"changed": ["a"], "added": ["b", "c"], "removed": [], "errors": []}
    [row] = await activity(one)
    assert (row["action"], row["target"], row["reason"]) == ("reload", "schedule", "new hours")
    assert row["detail"] == {
        "changed": ["a"],
        "added": ["b", "c"],
        "removed": [],
        "differences": {"a": {"cron": ["0 0 * * *", "0 1 * * *"]}},
    }


async def test_a_rejected_file_is_422_with_every_error(site: OpenSite) -> None:
    async def reload() -> ReloadResult:
        return ReloadResult(errors=(PROBLEM,))

    one = await site(reload=reload)
    answer = await one.admin("/api/v1/schedule/reload", "POST")
    assert answer.status == 422
    assert answer.body == {
        "success": False,
        "error": "the schedule file has 1 error; the schedule in force stays as it is",
        "changed": [],
        "added": [],
        "removed": [],
        "errors": [{"line": 7, "key": "jobs.count.cron", "message": "must be five fields"}],
    }
    assert await activity(one) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "jobs"),
        ("GET", "jobs/count"),
        ("POST", "jobs/count/trigger"),
        ("POST", "jobs/count/pause"),
        ("POST", "jobs/count/resume"),
        ("GET", "runs"),
        ("GET", f"runs/{'0' * 32}"),
        ("POST", f"runs/{'0' * 32}/cancel"),
        ("GET", "activity"),
    ],
)
async def test_without_a_database_it_is_503(site: OpenSite, method: str, path: str) -> None:
    one = await site()
    await one.machine.pools.close()
    answer = await one.admin(f"/api/v1/{path}", method)
    assert answer.status == 503
    assert answer.error == "the database is away; try again in a moment"
    assert answer.headers["Retry-After"] == "5"


async def test_texts_of_callers_come_back_as_json_and_nothing_else(site: OpenSite) -> None:
    one = await site()
    reason = "</script><b>\u2028\"'\r\nSet-Cookie: x"
    body = json.dumps({"reason": reason}).encode()
    run_id = (await one.admin("/api/v1/jobs/count/trigger", "POST", data=body)).body["runId"]
    answer = await one.admin(f"/api/v1/runs/{run_id}")
    assert answer.body["reason"] == reason
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_calls_at_one_moment_start_one_run(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage}, entries=[scheduled("slow", params=NoParams())])
    calls = [asyncio.create_task(one.work("slow?wait=0")) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    assert len({answer.body["runId"] for answer in answers}) == 1
    stage.may_end.set()
