"""Do probes and monitors hear how the daemon is, with or without a database?"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from scheduler.entry import Retry
from scheduler.errors import NotFoundError
from scheduler.job import JobContext, Outcome
from scheduler.run import Trigger
from scheduler.running.fires import fire_on_clock
from scheduler.timing.cron import Cron
from tests.support.machine import START, NoParams, Stage, Work
from tests.web.site import ADMIN, OpenSite, scheduled

PROBES = (
    *("/livez", "/readyz", "/health", "/api/v1/workers/health"),
    "/api/v1/workers/orchestration/health",
)


async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise ValueError("password=hunter2")


async def test_livez_needs_no_database(site: OpenSite) -> None:
    one = await site()
    await one.machine.pools.close()
    answer = await one.call("/livez", secret=None)
    assert (answer.status, answer.body) == (200, {"status": "alive"})


async def test_livez_is_500_when_the_clock_stands_still(site: OpenSite) -> None:
    one = await site()
    await one.machine.clock.start()
    one.machine.clock._beat = monotonic() - 31
    answer = await one.call("/livez", secret=None)
    assert answer.status == 500
    assert "the clock has not ticked" in answer.error


async def test_livez_waits_for_a_clock_that_is_not_to_tick(site: OpenSite) -> None:
    """Before the database was there, and while the last runs end: no restart would help."""
    one = await site()
    clock = one.machine.clock
    clock._beat = monotonic() - 31
    assert (await one.call("/livez", secret=None)).status == 200
    await clock.start()
    assert clock.silent_for < 30
    await clock.stop()
    clock._beat = monotonic() - 31
    assert (await one.call("/livez", secret=None)).status == 200


@pytest.mark.parametrize(
    ("condition", "value", "reason"),
    [
        ("starting", True, "starting"),
        ("draining", True, "draining"),
        ("database_away_since", 0.0, "the database is away"),
    ],
)
async def test_readyz_is_503_with_the_reason(
    site: OpenSite, condition: str, value: Any, reason: str
) -> None:
    one = await site()
    assert (await one.call("/readyz", secret=None)).status == 200
    setattr(one.conditions, condition, value)
    answer = await one.call("/readyz", secret=None)
    assert (answer.status, answer.error) == (503, reason)


async def test_a_daemon_that_is_well_says_so(site: OpenSite) -> None:
    one = await site()
    answer = await one.call("/health", secret=None)
    assert answer.status == 200
    healthy = {
        "status": "healthy",
        "reasons": [],
        "timestamp": START.isoformat(),
        "version": "1.2.3",
    }
    assert answer.body == healthy
    answer = await one.call("/api/v1/workers/health", secret=None)
    assert answer.status == 200
    assert answer.body == {"success": True, "data": healthy}


async def test_a_failing_job_degrades_without_telling_its_error(site: OpenSite) -> None:
    one = await site({"torn": fail}, entries=[scheduled("torn", retry=Retry(attempts=1))])
    await one.work("torn")
    answer = await one.call("/health", secret=None)
    assert answer.status == 200
    assert answer.body["status"] == "degraded"
    assert answer.body["reasons"] == ["torn: last run failed"]
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("seconds", "status", "words"), [(1, 200, "degraded"), (31, 503, "unhealthy")]
)
async def test_a_database_that_is_away(
    site: OpenSite, seconds: float, status: int, words: str
) -> None:
    one = await site()
    one.conditions.database_away_since = monotonic() - seconds
    await one.machine.pools.close()
    answer = await one.call("/health", secret=None)
    assert answer.status == status
    assert answer.body["status"] == words
    assert answer.body["reasons"][0].startswith("database: away")
    enveloped = await one.call("/api/v1/workers/health", secret=None)
    assert enveloped.status == status
    assert enveloped.body["success"] is (status == 200)
    assert enveloped.body["data"]["status"] == words
    if status == 503:
        assert enveloped.error.startswith("unhealthy: database: away")


@pytest.mark.parametrize("path", PROBES)
async def test_monitors_may_ask_with_head(site: OpenSite, path: str) -> None:
    one = await site()
    answer = await one.call(path, "HEAD", secret=None)
    assert (answer.status, answer.text) == (200, "")
    assert (await one.call(path, "POST", secret=None)).status == 405


async def test_what_is_not_there_is_404_in_the_usual_form(site: OpenSite) -> None:
    one = await site()
    answer = await one.call("/nowhere" + "x" * 500, secret=None)
    assert answer.status == 404
    assert answer.error.startswith("there is nothing at /nowhere")
    assert len(answer.text) < 300
    for path in ("/favicon.ico", "/livez/", "/LIVEZ", "/%2e%2e/etc/passwd"):
        assert (await one.call(path, secret=None)).status == 404, path


async def test_a_failing_job_stays_so_whatever_is_skipped_cancelled_or_begun_after_it(
    site: OpenSite,
) -> None:
    stage = Stage()
    works: list[Work] = [fail, stage]

    async def work(ctx: JobContext, params: NoParams) -> Outcome:
        return await works.pop(0)(ctx, params)

    one = await site({"work": work}, entries=[scheduled("work", retry=Retry(attempts=1))])

    async def reasons() -> list[str]:
        one.daemon.health._read_at = float("-inf")
        return list((await one.call("/health", secret=None)).body["reasons"])

    assert (await one.work("work")).status == 500
    assert await reasons() == ["work: last run failed"]
    second = await one.work("work?wait=0")
    await stage.begin()
    assert await reasons() == ["work: last run failed"]
    job = (await one.admin("/api/v1/jobs/work")).body
    assert job["state"] == "running"
    await one.admin(f"/api/v1/runs/{second.body['runId']}/cancel", "POST")
    ended = await one.machine.runner.wait(UUID(second.body["runId"]), 20)
    assert ended is not None
    assert ended.status == "cancelled"
    assert await reasons() == ["work: last run failed"]
    skipped = fire_on_clock(one.machine.entry("work"), START, trigger=Trigger.SCHEDULE)
    await one.machine.runner.fire([replace(skipped, final_status="skipped")])
    assert await reasons() == ["work: last run failed"]


async def test_what_was_asked_of_a_thing_that_is_not_there_says_nothing_of_the_job(
    site: OpenSite,
) -> None:
    works: list[Work] = []

    async def work(ctx: JobContext, params: NoParams) -> Outcome:
        return await works.pop(0)(ctx, params)

    async def gone(ctx: JobContext, params: NoParams) -> Outcome:
        raise NotFoundError("there is no project gone")

    one = await site({"work": work}, entries=[scheduled("work", retry=Retry(attempts=1))])

    async def reasons() -> list[str]:
        one.daemon.health._read_at = float("-inf")
        return list((await one.call("/health", secret=None)).body["reasons"])

    works += [gone, fail, gone]
    assert (await one.work("work")).status == 404
    assert await reasons() == []
    await one.work("work")
    assert await reasons() == ["work: last run failed"]
    assert (await one.work("work")).status == 404
    assert await reasons() == ["work: last run failed"]


async def test_the_health_of_orchestration_says_what_is_set_up(site: OpenSite) -> None:
    path = "/api/v1/workers/orchestration/health"
    one = await site()
    answer = await one.call(path, secret=None)
    assert answer.status == 200
    data = {
        "status": "healthy",
        "timestamp": START.isoformat(),
        "llmConfigured": False,
        "githubConfigured": False,
    }
    assert answer.body == {"success": True, "data": data}
    one = await site(github_token="token-of-tests")
    answer = await one.call(path, secret=None)
    assert answer.body["data"]["githubConfigured"] is True
    assert "token-of-tests" not in answer.text
    one.conditions.database_away_since = monotonic() - 31
    await one.machine.pools.close()
    answer = await one.call(path, secret=None)
    assert (answer.status, answer.body["data"]["status"]) == (503, "unhealthy")


async def test_what_keeps_failing_is_named_and_degrades(site: OpenSite) -> None:
    one = await site()
    with one.conditions.upkeep.doing("the clock's look"):
        raise ArithmeticError("a secret")
    answer = await one.call("/health", secret=None)
    assert answer.status == 200
    assert answer.body["status"] == "degraded"
    assert answer.body["reasons"] == ["the clock's look has failed for 0 s: ArithmeticError"]


async def test_an_entry_that_cannot_be_reckoned_breaks_no_answer(
    site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await site()
    await one.machine.clock.refresh()

    def broken(*_: object) -> Any:
        raise ArithmeticError

    monkeypatch.setattr(Cron, "after", broken)
    assert (await one.call("/health", secret=None)).status == 200
    assert (await one.call("/api/v1/jobs", secret=ADMIN)).status == 200
    [said] = one.machine.upkeep.in_words(database_away=False)
    assert said == "the fires of count has failed for 0 s: ArithmeticError"
