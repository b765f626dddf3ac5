"""Does a scrape tell Prometheus all there is, to whom it may, and with what it has?"""

from __future__ import annotations

import asyncio
import gzip
import platform
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic

from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from pydantic import SecretStr

from agents.github.tokens import hash_of, token_kinds
from scheduler.entry import Retry
from scheduler.job import Done, Job, JobContext, Outcome
from scheduler.meter import MOST_MODELS, Ending, Meter, Service, ending_of
from scheduler.run import Trigger
from scheduler.running.fires import fire_on_clock
from scheduler.services import GitHub
from scheduler.timing.reload import Reloaded, ReloadResult
from tests.support.machine import START, NoParams, Stage, Work, connect
from tests.web.site import ADMIN, CRON, PROBLEM, Answer, OpenSite, Site, scheduled

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


async def fail(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise ValueError("password=hunter2")


async def send(_ctx: JobContext, _params: NoParams) -> Outcome:
    return Done({"sent": 3, "rows": [1, 2], "total": 99})


SEND: Job[NoParams] = Job(run=send, params=NoParams, changes=("rows",), counts=("sent",))
ONCE = Retry(attempts=1)


async def plainly(site: Site, method: str = "GET", **headers: str) -> Answer:
    """A scrape that is not compressed."""
    plain = {"Accept-Encoding": "identity", **headers}
    return await site.admin("/metrics", method, headers=plain)


async def scrape(site: Site) -> dict[str, Metric]:
    """What it answers, by the names of its families, read anew from the database."""
    site.daemon.metrics._read_at = site.daemon.health._read_at = float("-inf")
    answer = await plainly(site)
    assert answer.status == 200
    return {family.name: family for family in prometheus(answer.text)}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float | None:
    """Of one sample; None where there is none."""
    found = [
        one.value
        for family in families.values()
        for one in family.samples
        if one.name == sample and one.labels == labels
    ]
    assert len(found) <= 1
    return found[0] if found else None


def labels_of(families: Iterable[Metric]) -> set[str]:
    return {name for family in families for one in family.samples for name in one.labels}


async def test_everything_is_there_before_anything_ran(site: OpenSite) -> None:
    one = await site({"send": SEND}, entries=[scheduled("send"), scheduled("a/b", job="count")])
    found = await scrape(one)
    for name in ("send", "a/b"):
        for status in ("succeeded", "skipped", "failed", "timed_out", "cancelled", "abandoned"):
            assert value(found, "lamplighter_runs_total", job_name=name, status=status) == 0
        assert value(found, "lamplighter_runs_total", job_name=name, status="missed") == 0
        for trigger in ("schedule", "catch_up", "http", "admin", "cli"):
            assert value(found, "lamplighter_attempts_total", job_name=name, trigger=trigger) == 0
        count = "lamplighter_attempt_duration_seconds_count"
        assert value(found, count, job_name=name) == 0
        for gauge in ("consecutive_failures", "overdue", "unavailable", "running", "paused"):
            assert value(found, f"lamplighter_job_{gauge}", job_name=name) == 0
        last = "lamplighter_job_last_success_timestamp_seconds"
        assert value(found, last, job_name=name) == 0
    assert value(found, "lamplighter_rows_changed_total", job_name="send") == 0
    assert value(found, "lamplighter_rows_changed_total", job_name="a/b") is None
    assert value(found, "lamplighter_results_total", job_name="send", result="sent") == 0
    assert value(found, "lamplighter_database_up") == 1
    assert value(found, "lamplighter_jobs", state="ok") == 2
    assert (
        value(found, "lamplighter_build_info", version="1.2.3", python=platform.python_version())
        == 1
    )


async def test_what_ran_is_counted(site: OpenSite) -> None:
    one = await site(
        {"send": SEND, "torn": fail}, entries=[scheduled("send"), scheduled("torn", retry=ONCE)]
    )
    await one.work("send")
    await one.admin("/api/v1/jobs/torn/trigger", "POST")
    [fired] = await one.machine.runner.fire(
        [fire_on_clock(one.machine.entry("send"), START, trigger=Trigger.SCHEDULE)]
    )
    await one.machine.ended(fired)
    found = await scrape(one)
    assert value(found, "lamplighter_runs_total", job_name="send", status="succeeded") == 2
    assert value(found, "lamplighter_runs_total", job_name="torn", status="failed") == 1
    assert value(found, "lamplighter_attempts_total", job_name="send", trigger="http") == 1
    assert value(found, "lamplighter_attempts_total", job_name="send", trigger="schedule") == 1
    assert value(found, "lamplighter_attempts_total", job_name="torn", trigger="admin") == 1
    assert value(found, "lamplighter_rows_changed_total", job_name="send") == 4
    assert value(found, "lamplighter_results_total", job_name="send", result="sent") == 6
    assert value(found, "lamplighter_attempt_duration_seconds_count", job_name="send") == 2
    lateness = "lamplighter_fire_lateness_seconds"
    assert value(found, f"{lateness}_count", trigger="schedule") == 1
    assert value(found, f"{lateness}_bucket", trigger="schedule", le="+Inf") == 1
    last = "lamplighter_job_last_success_timestamp_seconds"
    assert value(found, last, job_name="send") == START.timestamp()
    assert value(found, "lamplighter_job_consecutive_failures", job_name="torn") == 1
    assert value(found, "lamplighter_jobs", state="failing") == 1


async def test_the_states_of_jobs_are_told_apart_while_they_run_too(site: OpenSite) -> None:
    stage = Stage()
    works: list[Work] = [fail, stage]

    async def work(ctx: JobContext, params: NoParams) -> Outcome:
        return await works.pop(0)(ctx, params)

    needs: Job[NoParams] = Job(run=send, params=NoParams, needs={"no_such_table": ("id",)})
    entries = [
        scheduled("work", retry=ONCE),
        scheduled("needs"),
        scheduled("off", job="count", enabled=False),
        scheduled("paused", job="count"),
    ]
    one = await site({"work": work, "needs": needs}, entries=entries)
    await one.work("work")
    await one.work("work?wait=0")
    await stage.begin()
    await one.admin("/api/v1/jobs/paused/pause", "POST")
    found = await scrape(one)
    assert value(found, "lamplighter_job_consecutive_failures", job_name="work") == 1
    assert value(found, "lamplighter_job_running", job_name="work") == 1
    assert value(found, "lamplighter_job_unavailable", job_name="needs") == 1
    assert value(found, "lamplighter_job_paused", job_name="paused") == 1
    counted = {one.labels["state"]: one.value for one in found["lamplighter_jobs"].samples}
    assert counted == {
        "ok": 0,
        "failing": 0,
        "overdue": 0,
        "running": 1,
        "unavailable": 1,
        "paused": 1,
        "disabled": 1,
    }
    assert value(found, "lamplighter_open_runs", status="running") == 1
    assert value(found, "lamplighter_run_slots_used") == 1
    stage.may_end.set()


async def test_a_job_without_a_success_in_time_is_overdue(site: OpenSite) -> None:
    one = await site(entries=[scheduled("count")])
    await one.machine.clock.refresh()
    one.time.move(minutes=30)
    found = await scrape(one)
    assert value(found, "lamplighter_job_overdue", job_name="count") == 1
    assert value(found, "lamplighter_jobs", state="overdue") == 1


async def test_only_the_admin_secret_opens_it(site: OpenSite) -> None:
    one = await site()
    for secret in (None, CRON, "wrong"):
        answer = await one.call("/metrics", secret=secret)
        assert answer.status == 401, secret
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "lamplighter_" not in answer.text
    for path in ("/metrics/", "/%6detrics", "//metrics"):
        answer = await one.call(path, secret=None)
        assert "lamplighter_" not in answer.text, path
    assert (await plainly(one)).status == 200
    assert (await one.admin("/metrics", "POST")).status == 405


async def test_a_setting_opens_it_to_all(site: OpenSite) -> None:
    one = await site(metrics_public=True)
    answer = await one.call("/metrics", secret=None, headers={"Accept-Encoding": "identity"})
    assert answer.status == 200
    assert "lamplighter_database_up 1.0" in answer.text
    document = (await one.call("/openapi.json", secret=None)).body
    assert "security" not in document["paths"]["/metrics"]["get"]


async def test_the_form_is_what_the_caller_asks_for(site: OpenSite) -> None:
    one = await site()
    plain = await plainly(one)
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert plain.headers["Cache-Control"] == "no-store"
    assert "Content-Encoding" not in plain.headers
    asked = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    other = await plainly(one, Accept=asked)
    assert other.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert other.text.endswith("# EOF\n")
    names = [family.name.removesuffix("_info") for family in prometheus(plain.text)]
    found = openmetrics(other.text)  # type: ignore[no-untyped-call]  # it has no types
    assert [family.name for family in found] == names
    head = await plainly(one, "HEAD")
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Type"] == plain.headers["Content-Type"]
    url = f"http://127.0.0.1:{one.port}/metrics"
    headers = {"Authorization": f"Bearer {ADMIN}", "Accept-Encoding": "gzip, deflate"}
    async with one.session.get(url, headers=headers) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        body = gzip.decompress(await response.read()).decode()
    assert "lamplighter_database_up 1.0" in body


async def test_it_is_in_the_description_of_the_api(site: OpenSite) -> None:
    one = await site()
    document = (await one.call("/openapi.json", secret=None)).body
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    for method in ("get", "head"):
        operation = document["paths"]["/metrics"][method]
        assert operation["security"] == [{"admin": []}]
        assert list(operation["responses"]["200"]["content"]) == ["text/plain"]
        assert list(operation["responses"]["401"]["content"]) == ["application/json"]


async def test_without_a_database_it_tells_what_it_has(site: OpenSite) -> None:
    one = await site()
    await one.work("count")
    before = await scrape(one)
    assert value(before, "lamplighter_jobs", state="ok") == 1
    await one.machine.pools.close()
    for noticed in (False, True):
        if noticed:
            one.conditions.database_away_since = monotonic()
        found = await scrape(one)
        assert value(found, "lamplighter_database_up") == 0
        assert value(found, "lamplighter_runs_total", job_name="count", status="succeeded") == 1
        assert value(found, "lamplighter_jobs", state="ok") is None
        assert not any("job_last_success" in name for name in found)


async def test_many_scrapes_ask_the_database_once(site: OpenSite, database: str) -> None:
    one = await site()
    await plainly(one)
    async with connect(database) as connection:
        await connection.execute(
            "INSERT INTO lamplighter.conditions (name, reason, since) VALUES ('x', 'y', now())"
        )
    answers = await asyncio.gather(*(plainly(one) for _ in range(5)))
    assert {"lamplighter_conditions 0.0" in answer.text for answer in answers} == {True}
    assert value(await scrape(one), "lamplighter_conditions") == 1


async def test_what_waits_is_counted(site: OpenSite, database: str) -> None:
    stage = Stage()
    entries = [scheduled("slow"), scheduled("slow too", job="slow"), scheduled("later", job="slow")]
    one = await site({"slow": stage}, entries=entries, max_concurrent_runs=1, claims=False)
    await one.work("slow?wait=0")
    await stage.begin()
    waiting = fire_on_clock(one.machine.entry("slow too"), START, trigger=Trigger.SCHEDULE)
    await one.machine.runner.fire([waiting])
    later = fire_on_clock(one.machine.entry("later"), START, trigger=Trigger.SCHEDULE)
    async with connect(database) as connection:
        await one.machine.runner.fire([later])
        await connection.execute(
            "UPDATE lamplighter.runs SET next_attempt_at = $1 WHERE job = 'later'",
            START + timedelta(hours=1),
        )
    one.time.move(seconds=90)
    found = await scrape(one)
    assert value(found, "lamplighter_open_runs", status="queued") == 2
    assert value(found, "lamplighter_queue_depth") == 1
    assert value(found, "lamplighter_queue_oldest_seconds") == 90
    stage.may_end.set()


async def test_the_outbox_is_read_where_an_entry_sends_it(site: OpenSite, database: str) -> None:
    async with connect(database) as connection:
        await connection.execute(
            "INSERT INTO email_queue (to_email, from_email, subject, html_body, scheduled_at) "
            "SELECT 'a@example.com', 'b@example.com', 's', 'h', "
            "$1::timestamptz + n * interval '1 minute' FROM generate_series(-2, 1) n",
            START,
        )
        await connection.execute(
            "UPDATE lamplighter.watermarks SET at = $1 WHERE job = 'process-email-queue'",
            START - timedelta(days=1),
        )
    for enabled, due in ((True, 3), (False, 0)):
        entries = [scheduled("mail", job="process-email-queue", enabled=enabled)]
        one = await site({"process-email-queue": send}, entries=entries)
        found = await scrape(one)
        assert value(found, "lamplighter_outbox_messages", waits_for="due") == due
        assert value(found, "lamplighter_outbox_messages", waits_for="later") == (1 if due else 0)
        oldest = value(found, "lamplighter_outbox_oldest_due_seconds")
        assert oldest == (120 if due else 0)


async def test_a_queue_of_another_form_hides_nothing_else(site: OpenSite, database: str) -> None:
    async with connect(database) as connection:
        await connection.execute(
            "ALTER TABLE email_queue ALTER next_retry_at TYPE text USING next_retry_at::text"
        )
    entries = [scheduled("mail", job="process-email-queue")]
    one = await site({"process-email-queue": send}, entries=entries)
    found = await scrape(one)
    assert value(found, "lamplighter_database_up") == 1
    assert value(found, "lamplighter_outbox_messages", waits_for="due") == 0
    assert value(found, "lamplighter_jobs", state="ok") == 1


async def fill(database: str) -> None:
    """What other processes left in the database."""
    async with connect(database) as connection:
        for token, resource, remaining, minutes in (
            ("read token", "core", 100, 5),
            ("read token", "search", 1, 5),
            ("of a project", "core", 70, 5),
            ("of another", "core", 30, 5),
            ("renewed", "core", 0, -5),
        ):
            await connection.execute(
                'INSERT INTO lamplighter.github_quota (token_hash, resource, "limit", remaining, '
                "reset_at, seen_at) VALUES ($1, $2, 5000, $3, $4, $5)",
                *(hash_of(token), resource, remaining, START + timedelta(minutes=minutes), START),
            )
        await connection.execute(
            "INSERT INTO lamplighter.model_spending (day, project_id, calls, tokens_in, "
            "tokens_out, cost_usd) VALUES ($1, $2, 3, 4000, 500, 1.25), ($3, $2, 9, 9, 9, 9)",
            *(START.date(), "00000000-0000-0000-0000-000000000000"),
            (START - timedelta(days=1)).date(),
        )
        await connection.execute(
            "INSERT INTO lamplighter.conditions (name, reason, since) VALUES ('github', 'x', $1)",
            START,
        )


async def test_what_is_left_to_spend(site: OpenSite, database: str) -> None:
    await fill(database)
    one = await site()
    github = GitHub(token=SecretStr("read token"), write_token=SecretStr("write token"))
    one.daemon.metrics._token_kinds = token_kinds(github)
    meter = one.daemon.metrics._meter
    meter.ended(Service.GITHUB, 200)
    meter.ended(Service.GITHUB, 403, limited=True)
    meter.used("gpt-5-mini", "developer", 1000, 50, Decimal("0.25"))
    found = await scrape(one)
    remaining = "lamplighter_github_quota_remaining"
    assert value(found, remaining, token="read") == 100
    assert value(found, remaining, token="other") == 30
    assert value(found, remaining, token="write") is None
    assert value(found, "lamplighter_github_quota_limit", token="other") == 5000
    assert value(found, "lamplighter_model_tokens_today", direction="in") == 4000
    assert value(found, "lamplighter_model_cost_today_dollars") == 1.25
    assert value(found, "lamplighter_model_cost_cap_dollars") == 5
    assert value(found, "lamplighter_condition", name="github") == 1
    requests = "lamplighter_requests_total"
    assert value(found, requests, service="github", outcome="ok") == 1
    assert value(found, requests, service="github", outcome="limited") == 1
    assert value(found, requests, service="model", outcome="unanswered") == 0
    labels = {"model": "gpt-5-mini", "agent": "developer"}
    assert value(found, "lamplighter_model_tokens_total", **labels, direction="in") == 1000
    assert value(found, "lamplighter_model_cost_dollars_total", **labels) == 0.25
    assert "hunter2" not in str(found)


def test_models_are_bounded_and_endings_told_apart() -> None:
    meter = Meter()
    for n in range(MOST_MODELS + 50):
        meter.used(f"model-{n}", None, 1, 1, Decimal(0))
    assert len(meter.usage) == MOST_MODELS + 1
    assert meter.usage["other", "other"].tokens_in == 50
    found = [ending_of(status) for status in (None, 0, 200, 304, 404, 429, 500)]
    assert found == [
        *(Ending.UNANSWERED, Ending.UNANSWERED, Ending.OK, Ending.OK),
        *(Ending.REFUSED, Ending.LIMITED, Ending.FAILED),
    ]
    assert ending_of(403, limited=True) is Ending.LIMITED


async def test_a_rejected_schedule_shows(site: OpenSite) -> None:
    one = await site(last_reload=lambda: Reloaded(START, ReloadResult(errors=(PROBLEM,))))
    found = await scrape(one)
    assert value(found, "lamplighter_schedule_reload_success") == 0
    at = value(found, "lamplighter_schedule_reload_timestamp_seconds")
    assert at == START.timestamp()


async def test_pools_tell_who_waits(site: OpenSite) -> None:
    one = await site(max_concurrent_runs=2)
    pool = one.machine.pools.jobs
    held = [await pool.acquire() for _ in range(2)]

    async def wait() -> None:
        await pool.acquire()

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    found = await scrape(one)
    assert value(found, "lamplighter_pool_connections", pool="jobs", state="used") == 2
    assert value(found, "lamplighter_pool_connections_max", pool="jobs") == 2
    assert value(found, "lamplighter_pool_waiting", pool="jobs") == 3
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for connection in held:
        await pool.release(connection)
    found = await scrape(one)
    assert value(found, "lamplighter_pool_waiting", pool="jobs") == 0
    assert value(found, "lamplighter_pool_connections", pool="jobs", state="idle") == 2


async def test_the_document_has_every_metric_and_no_other(site: OpenSite, database: str) -> None:
    await fill(database)
    one = await site({"send": SEND}, entries=[scheduled("send")])
    one.daemon.metrics._meter.used("m", "a", 1, 1, Decimal(1))
    found = await scrape(one)
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*)\| [^|]{5,} \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert len(documented) == len(rows)
    scraped = {
        f"{name}_total" if family.type == "counter" else name: (
            family.type,
            labels_of([family]) - {"le"},
        )
        for name, family in found.items()
    }
    if "process_open_fds" not in scraped:  # not on Linux
        documented = {name: row for name, row in documented.items() if "process_" not in name}
    assert scraped == documented
    assert all(family.documentation for family in found.values())


async def test_labels_are_bounded_by_what_is_declared(site: OpenSite) -> None:
    one = await site(entries=[scheduled("count")])
    for name in ("nothing-there", "count%2Fno", "\u2028"):
        await one.work(name)
    found = await scrape(one)
    names = {
        each.labels["job_name"]
        for family in found.values()
        for each in family.samples
        if "job_name" in each.labels
    }
    assert names == {"count"}
