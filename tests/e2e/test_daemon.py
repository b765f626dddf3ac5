"""The daemon as a process: raced, killed, stopped, without its database, and run from the shell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scheduler.db.product.lay import lay_product_tables
from tests.support.daemon import (
    PATIENCE,
    DaemonProcess,
    command,
    daemon,
    seconds_before_the_minute,
)
from tests.support.machine import connect
from tests.support.postgres import Postgres

pytestmark = pytest.mark.timeout(120)

QUIET = 'jobs: {reset-credits: {cron: "0 0 1 1 *"}, cleanup: {cron: "0 0 1 1 *"}}\n'
MANY_USERS = """
    INSERT INTO subscription_plans (tier, name, credits_per_day) VALUES ('free', 'Free', 10);
    INSERT INTO app_users (email, credits_remaining, credits_reset_at)
    SELECT 'user' || n || '@example.com', n % 10, NULL FROM generate_series(1, 60000) AS n;
"""


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=True
    )
    return [int(line) for line in listed.stdout.split()]


async def until_true(condition: Any) -> Any:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (found := await condition()):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    return found


async def all_ended(one: DaemonProcess, count: int) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]] | None:
        runs = await one.runs()
        ended = all(run["finishedAt"] for run in runs)
        return runs if len(runs) >= count and ended else None

    runs: list[dict[str, Any]] = await until_true(look)
    return runs


async def test_two_daemons_fire_each_minute_once(database: str, tmp_path: Path) -> None:
    entries = {f"clean-{n}": {"job": "cleanup", "cron": "* * * * *"} for n in range(20)}
    schedule = json.dumps({"jobs": entries})
    soon = seconds_before_the_minute(8)
    async with (
        daemon(
            tmp_path / "one", schedule, DATABASE_URL=database, LAMPLIGHTER_NOW_OFFSET=soon
        ) as one,
        daemon(
            tmp_path / "two", schedule, DATABASE_URL=database, LAMPLIGHTER_NOW_OFFSET=soon
        ) as two,
    ):
        await asyncio.gather(one.until_ready(), two.until_ready())
        runs = await all_ended(one, 20)
        counts = Counter((run["job"], run["scheduledFor"]) for run in runs)
        assert set(counts.values()) == {1}
        assert {job for job, _ in counts} == set(entries)
        assert {run["status"] for run in runs} == {"succeeded"}
        assert {run["trigger"] for run in runs} == {"schedule"}


@asynccontextmanager
async def somebody_locked(database: str) -> AsyncIterator[None]:
    """While the product keeps one user's row locked, a reset waits for it and does not end."""
    async with connect(database) as connection, connection.transaction():
        await connection.execute("SELECT FROM app_users ORDER BY id DESC LIMIT 1 FOR UPDATE")
        yield


async def begin_reset(one: DaemonProcess) -> str:
    status, body = await one.call("/api/v1/workers/reset-credits?wait=0", "POST")
    assert status == 202, body
    run_id: str = body["runId"]

    async def moved() -> bool:
        _, run = await one.call(f"/api/v1/runs/{run_id}")
        return bool(run["progress"] and run["progress"]["done"] > 0)

    await until_true(moved)
    return run_id


async def test_a_reset_killed_half_way_is_finished_by_another_daemon(
    database: str, tmp_path: Path
) -> None:
    async with connect(database) as connection:
        await connection.execute(MANY_USERS)
        async with daemon(tmp_path / "one", QUIET, DATABASE_URL=database) as one:
            await one.until_ready()
            async with somebody_locked(database):
                run_id = await begin_reset(one)
                await one.kill()
        done = await connection.fetchval("SELECT count(*) FROM credit_transactions")
        assert 0 < done < 60_000
        async with daemon(tmp_path / "two", QUIET, DATABASE_URL=database) as two:
            await two.until_ready()
            [run] = await all_ended(two, 1)
            assert run["id"] == run_id
            assert (run["status"], run["attempt"]) == ("succeeded", 2)
            _, whole = await two.call(f"/api/v1/runs/{run_id}")
            assert [(a["status"], a["cause"]) for a in whole["attempts"]] == [
                ("abandoned", "first"),
                ("succeeded", "rescue"),
            ]
        wrong = await connection.fetchval(
            "SELECT count(*) FROM app_users u LEFT JOIN credit_transactions t ON t.user_id = u.id "
            "WHERE u.credits_remaining <> 10 OR t.balance_after <> 10"
        )
        rows = await connection.fetchval("SELECT count(*) FROM credit_transactions")
        assert (wrong, rows) == (0, 60_000)


async def test_sigterm_hands_over_what_does_not_end_in_time(database: str, tmp_path: Path) -> None:
    async with connect(database) as connection:
        await connection.execute(MANY_USERS)
        async with daemon(tmp_path / "one", QUIET, DATABASE_URL=database, DRAIN_SECONDS="0") as one:
            await one.until_ready()
            async with somebody_locked(database):
                run_id = await begin_reset(one)
                assert await one.stop() == 0
        row = await connection.fetchrow("SELECT * FROM lamplighter.runs")
        assert row is not None
        assert (str(row["id"]), row["status"], row["error_type"]) == (
            run_id,
            "retrying",
            "Interrupted",
        )
        attempt = await connection.fetchval("SELECT status FROM lamplighter.attempts")
        assert attempt == "interrupted"


async def test_sigterm_waits_for_what_runs(database: str, tmp_path: Path) -> None:
    async with connect(database) as connection:
        await connection.execute(MANY_USERS)
        async with daemon(
            tmp_path / "one", QUIET, DATABASE_URL=database, DRAIN_SECONDS="60"
        ) as one:
            await one.until_ready()
            async with somebody_locked(database):
                await begin_reset(one)
                one.process.send_signal(signal.SIGTERM)
                await one.until("/readyz", 503, saying="draining")
            assert await one.process.wait() == 0
        assert await connection.fetchval("SELECT status FROM lamplighter.runs") == "succeeded"


async def test_the_embedded_database_survives_the_owners_kill(scratch: Path) -> None:
    home = scratch / "home"
    async with (
        daemon(home, QUIET, name="owner") as owner,
    ):
        await owner.until_ready()
        async with daemon(home, QUIET, name="heir") as heir:
            await heir.until_ready()
            status, body = await owner.call("/api/v1/workers/cleanup", "POST")
            assert (status, body["success"]) == (200, True), body
            await owner.kill()
            await heir.until("/readyz", 503)
            await heir.until_ready()
            assert [run["status"] for run in await heir.runs()] == ["succeeded"]
            status, body = await heir.call("/api/v1/workers/cleanup", "POST")
            assert (status, body["success"]) == (200, True), body


async def test_a_killed_embedded_server_is_started_again(scratch: Path) -> None:
    async with daemon(scratch, QUIET) as one:
        await one.until_ready()
        [server] = children_of(one.process.pid)
        os.kill(server, signal.SIGKILL)
        await one.until("/readyz", 503)
        await one.until_ready()
        status, body = await one.call("/api/v1/workers/cleanup", "POST")
        assert (status, body["success"]) == (200, True), body


async def test_a_database_that_is_away_at_the_start_and_later(
    postgres: Postgres, tmp_path: Path
) -> None:
    name = f"late_{os.getpid()}"
    async with daemon(tmp_path, QUIET, DATABASE_URL=postgres.dsn(name)) as one:
        await one.until("/livez", 200)
        # Not the first answer: until it has tried to connect, the daemon is only starting.
        await one.until("/readyz", 503, saying="the database is away")
        admin = await postgres.connect("template1")
        try:
            await admin.execute(f'CREATE DATABASE "{name}"')
            async with connect(postgres.dsn(name)) as connection:
                await lay_product_tables(connection)
            await one.until_ready()
            # Nobody may connect for a while, as with a server that restarts.
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            await one.until("/readyz", 503)
            status, body = await one.call("/api/v1/workers/cleanup", "POST")
            assert (status, body["success"]) == (503, False)
            _, health = await one.call("/health")
            assert health["status"] in {"degraded", "unhealthy"}
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            await one.until_ready()
            status, body = await one.call("/api/v1/workers/cleanup", "POST")
            assert (status, body["success"]) == (200, True), body
        finally:
            await one.kill()
            await postgres.drop(name)
            await admin.close()


async def test_downtime_across_a_fire_is_caught_up_once(database: str, tmp_path: Path) -> None:
    schedule = 'jobs: {cleanup: {cron: "* * * * *"}}\n'
    start = float(seconds_before_the_minute(20))
    async with daemon(
        tmp_path, schedule, DATABASE_URL=database, LAMPLIGHTER_NOW_OFFSET=str(start)
    ) as one:
        await one.until_ready()
        await one.stop()
    later = str(start + 50)
    async with daemon(
        tmp_path, schedule, DATABASE_URL=database, LAMPLIGHTER_NOW_OFFSET=later
    ) as one:
        await one.until_ready()
        [run] = await all_ended(one, 1)
        assert (run["trigger"], run["status"]) == ("catch_up", "succeeded")
        assert run["latenessMs"] > 10_000


async def test_a_bad_schedule_or_exposure_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text('jobs: {reset-credit: {cron: "0 0 * * *"}}\n')
    wrong = await command("serve", cwd=tmp_path)
    assert wrong.code == 1
    assert "config.yaml:1: jobs.reset-credit" in wrong.err
    assert "Traceback" not in wrong.err
    (tmp_path / "config.yaml").write_text(QUIET)
    open_to_all = await command("serve", cwd=tmp_path, HOST="0.0.0.0")
    assert open_to_all.code == 1
    assert "set CRON_SECRET" in open_to_all.err


async def test_commands_without_a_daemon(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        'jobs: {cleanup: {cron: "0 6 * * 1"}, reset-credits: {cron: "0 8 * * 0"}}\n'
    )
    assert (await command("check", cwd=tmp_path)).code == 0
    fires = json.loads((await command("next", "--json", cwd=tmp_path)).out)
    days = [[datetime.fromisoformat(f).strftime("%a") for f in job["fires"]] for job in fires]
    assert days == [["Mon"] * 3, ["Sun"] * 3]
    words = json.loads(
        (await command("explain", "0 6 * * 1", "--from", "2026-01-01", "--json", cwd=tmp_path)).out
    )
    assert "Monday" in words["words"]
    assert words["fires"][0] == datetime(2026, 1, 5, 6, tzinfo=UTC).isoformat()
    bad = await command("explain", "0 0 L * *", cwd=tmp_path)
    assert bad.code == 1
    assert "L" in bad.err
    gone = await command("trigger", "cleanup", cwd=tmp_path, PORT="1")
    assert gone.code == 1
    assert "no daemon answers" in gone.err


async def test_run_in_this_process_is_recorded(database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    ran = await command("run", "cleanup", "--json", cwd=tmp_path, DATABASE_URL=database)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["success"] is True
    wrong = await command(
        "run", "cleanup", "--param", "no_such=1", cwd=tmp_path, DATABASE_URL=database
    )
    assert wrong.code == 2
    assert "no_such" in wrong.err
    too_soon = await command(
        *("run", "aggregate-analytics", "--param", "from=2999-01-01"),
        cwd=tmp_path,
        DATABASE_URL=database,
    )
    assert too_soon.code == 2
    assert "from: 2999-01-01 is not over" in too_soon.err
    async with connect(database) as connection:
        assert await connection.fetchval("SELECT trigger FROM lamplighter.runs") == "cli"


async def test_check_tells_of_every_setting_and_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    checked = await command(
        "check", "--json", cwd=tmp_path, PORT="99999", LOG_LEVEL="loud", CRON_SECRET="a\nb"
    )
    assert checked.code == 1
    errors = {error["key"]: error["message"] for error in json.loads(checked.out)["errors"]}
    assert set(errors) == {"PORT", "LOG_LEVEL"}
    checked = await command("check", cwd=tmp_path, CRON_SECRET="a\nb")
    assert "environment: CRON_SECRET: may hold only printable ASCII" in checked.err


async def test_what_answers_but_is_no_lamplighter(tmp_path: Path) -> None:
    async def one(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n[1]")
        writer.close()

    async with await asyncio.start_server(one, "127.0.0.1", 0) as server:
        port = str(server.sockets[0].getsockname()[1])
        for words in (("history",), ("trigger", "x"), ("pause", "x", "--reason", "r")):
            asked = await command(*words, cwd=tmp_path, PORT=port)
            assert asked.code == 1
            assert "is no lamplighter" in asked.err
            assert "Traceback" not in asked.err


async def test_commands_to_a_running_daemon(database: str, tmp_path: Path) -> None:
    schedule = QUIET.replace("}}", '}, night/sweep: {job: cleanup, cron: "0 0 1 1 *"}}')
    async with daemon(tmp_path, schedule, DATABASE_URL=database) as one:
        await one.until_ready()
        assert "no_secret_set" in one.log.read_text()
        here = {"PORT": one.url.rpartition(":")[2]}
        ran = await command("trigger", "cleanup", "--json", cwd=tmp_path, **here)
        assert ran.code == 0, ran.err
        paused = await command("pause", "cleanup", "--reason", "later", cwd=tmp_path, **here)
        assert paused.code == 0, paused.err
        _, job = await one.call("/api/v1/jobs/cleanup")
        assert job["paused"]["reason"] == "later"
        assert (await command("resume", "cleanup", cwd=tmp_path, **here)).code == 0
        for words in (("pause", "night/sweep", "--reason", "r"), ("resume", "night/sweep")):
            done = await command(*words, cwd=tmp_path, **here)
            assert done.code == 0, done.err
        assert (await command("trigger", "night/sweep", cwd=tmp_path, **here)).code == 0
        wrong = await command(
            "trigger", "cleanup", "--param", "events_days=0", cwd=tmp_path, **here
        )
        assert wrong.err.count("out of range") == 1
        listed = await command("history", "cleanup", cwd=tmp_path, **here)
        assert "succeeded" in listed.out
        _, activity = await one.call("/api/v1/activity")
        assert {item["action"] for item in activity["items"]} >= {"pause", "resume"}


async def test_migrate_and_doctor(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(QUIET)
    todo = await command("migrate", "--check", cwd=tmp_path, DATABASE_URL=empty_database)
    assert todo.code == 1
    assert "0001_runs" in todo.out
    assert (await command("migrate", cwd=tmp_path, DATABASE_URL=empty_database)).code == 0
    again = await command("migrate", "--check", cwd=tmp_path, DATABASE_URL=empty_database)
    assert (again.code, again.out.strip()) == (0, "up to date")
    found = await command("doctor", "--json", cwd=tmp_path, DATABASE_URL=empty_database)
    assert found.code == 1
    bad = [finding for finding in json.loads(found.out) if not finding["ok"]]
    assert "app_users" in next(f["message"] for f in bad if f["job"] == "reset-credits")
    async with connect(empty_database) as connection:
        outside = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN "
            "('lamplighter', 'pg_catalog', 'information_schema')"
        )
    assert outside == 0


async def test_definitions_are_explained(database: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        'jobs: {compute-funnels: {cron: "@daily", params: {lookback_days: 3}}}\n'
    )
    async with connect(database) as connection:
        await connection.execute(
            "INSERT INTO newsletter_subscribers (email) VALUES ('a@example.com');"
            "INSERT INTO newsletter_segments (name, slug, criteria)"
            " VALUES ('All', 'all', '{\"status\": \"active\"}'),"
            " ('Torn', 'torn', '{\"email\": {\"$regex\": \"x\"}}');"
            "INSERT INTO analytics_funnels (name, slug, steps)"
            ' VALUES (\'F\', \'f\', \'[{"event": "a"}, {"event": "b"}]\');'
            "INSERT INTO analytics_cohorts (name, slug) VALUES ('C', 'c');"
        )

        async def explain(what: str, slug: str, *options: str) -> Any:
            words = (what, "explain", slug, *options)
            return await command(*words, cwd=tmp_path, DATABASE_URL=database)

        told = json.loads((await explain("segment", "all", "--json")).out)
        assert told["counts"] == {"members": 0, "wouldJoin": 1, "wouldLeave": 0}
        assert "active" in told["values"]
        assert "newsletter_subscribers" in told["sql"]
        plain = await explain("funnel", "f")
        assert plain.code == 0, plain.err
        assert "analytics_events" in plain.out
        assert "$1" in plain.out
        told = json.loads((await explain("funnel", "f", "--json")).out)
        since, until = (datetime.fromisoformat(v) for v in told["values"] if str(v)[:2] == "20")
        assert (until - since).days == 3
        assert json.loads((await explain("cohort", "c", "--json")).out)["counts"]["size"] == 0
        torn = await explain("segment", "torn")
        assert (torn.code, "Traceback" in torn.err) == (1, False)
        assert "email.$regex" in torn.err
        assert (await explain("cohort", "nobody")).code == 1
        assert await connection.fetchval("SELECT count(*) FROM newsletter_segment_members") == 0
