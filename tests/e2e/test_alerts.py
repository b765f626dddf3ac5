"""People and dead man's switches hear of a daemon's jobs; a channel that hangs stops nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scheduler.db.product.lay import lay_product_tables
from tests.support.channels import Hook, hook
from tests.support.checks import Checks, checks_service
from tests.support.daemon import DaemonProcess, command, daemon
from tests.support.machine import connect

pytestmark = pytest.mark.timeout(120)

# It needs tables that an empty database does not have.
JOB = "update-segments"
SCHEDULE = """
{ping}
jobs:
  update-segments: {{cron: "0 0 1 1 *", ping: "{job_ping}"}}
alerts: {{group_for: 0s}}
"""


@pytest.fixture
async def channel() -> AsyncIterator[Hook]:
    async with hook() as made:
        yield made


@pytest.fixture
async def checks() -> AsyncIterator[Checks]:
    async with checks_service() as made:
        yield made


def schedule(checks: Checks, *, daemon_too: bool = False) -> str:
    ping = f"ping: {checks.url('daemon')}" if daemon_too else ""
    return SCHEDULE.format(ping=ping, job_ping=checks.url())


def settings_of(database: str, urls: str, checks: Checks) -> dict[str, Any]:
    return {"DATABASE_URL": database, "ALERT_URLS": urls, "PING_HOSTS": checks.host}


async def run(one: DaemonProcess, status: int) -> UUID:
    answered, body = await one.call(f"/api/v1/workers/{JOB}", "POST")
    assert answered == status, body
    return UUID(body["runId"])


async def test_a_job_that_fails_three_times_and_recovers(
    empty_database: str, tmp_path: Path, channel: Hook, checks: Checks
) -> None:
    urls = f"{channel.url} nobody://knows/very-secret-path"
    settings = settings_of(empty_database, urls, checks)
    # With it the secret of the examples has to be set to count.
    settings |= {"PUBLIC_URL": "https://lamp.example.com", "CRON_SECRET": "dev-admin-secret"}
    text = schedule(checks, daemon_too=True)
    async with daemon(tmp_path, text, **settings) as one:
        await one.until_ready()
        failed = [await run(one, 500)]
        await channel.until(taken=1)
        failed.append(await run(one, 500))
        health = await one.until("/health", 200, saying="alerts: channel 2")
        assert "alerts: channel 2 (nobody) has an address that cannot be used" in health["reasons"]
        failed.append(await run(one, 500))
        async with connect(empty_database) as connection:
            await lay_product_tables(connection)
        succeeded = await run(one, 200)
        await channel.until(taken=2)
        paths = ("/openapi.json", "/api/v1/jobs", f"/api/v1/jobs/{JOB}", "/health")
        shown = [health, *[await one.call(path) for path in paths]]
        async with one.session.get(f"{one.url}/jobs/{JOB}") as response:
            shown.append(await response.text())
        assert await one.stop() == 0
        shown.append(one.log.read_text())

    first, second = channel.taken
    assert first["title"] == f"{JOB}: failed"
    assert "MissingTablesError: the database lacks" in first["message"]
    assert f"https://lamp.example.com/runs/{failed[0]}" in first["message"]
    assert second["title"].startswith(f"{JOB}: recovered after")
    assert second["title"].endswith(", 3 failed")
    assert (first["type"], second["type"]) == ("failure", "success")
    told = [(heard.action, heard.rid) for heard in checks.pings if heard.check == "one"]
    assert told == [
        *((action, run_id) for run_id in failed for action in ("start", "fail")),
        ("start", succeeded),
        ("success", succeeded),
    ]
    assert set(checks.actions("daemon")) == {"success"}
    assert "very-secret" not in str(shown)
    assert "/ping/" not in str(shown)


async def test_a_daemon_that_is_killed_while_it_sends_loses_nothing(
    empty_database: str, tmp_path: Path, channel: Hook, checks: Checks
) -> None:
    settings = settings_of(empty_database, channel.url, checks)
    channel.hangs = True
    async with daemon(tmp_path, schedule(checks), **settings) as one:
        await one.until_ready()
        await run(one, 500)
        await channel.until(calls=1)
        await one.kill()
    channel.hangs = False
    async with connect(empty_database) as connection:
        await connection.execute(
            "UPDATE lamplighter.alert_deliveries SET claimed_until = clock_timestamp()"
        )
    async with daemon(tmp_path, schedule(checks), **settings) as one:
        await channel.until(taken=1)
        assert await one.stop() == 0
    assert channel.titles == [f"{JOB}: failed"]


async def test_a_channel_that_hangs_does_not_keep_a_daemon_from_stopping(
    empty_database: str, tmp_path: Path, channel: Hook, checks: Checks
) -> None:
    channel.hangs = True
    checks.answers = [60.0] * 10
    settings = settings_of(empty_database, f"{channel.url}?rto=60", checks)
    async with daemon(tmp_path, schedule(checks), **settings) as one:
        await one.until_ready()
        await run(one, 500)
        await channel.until(calls=1)
        assert (await one.call("/livez"))[0] == 200
        async with asyncio.timeout(10):
            assert await one.stop() == 0


async def test_a_run_from_the_shell_is_told_too(
    empty_database: str, tmp_path: Path, checks: Checks
) -> None:
    (tmp_path / "config.yaml").write_text(schedule(checks))
    checks.answers = [None, 503]
    settings = {"DATABASE_URL": empty_database, "PING_HOSTS": checks.host}
    done = await command("run", JOB, "--json", cwd=tmp_path, **settings)
    assert done.code == 1, done.err
    assert [(heard.action, str(heard.rid)) for heard in checks.pings] == [
        ("start", json.loads(done.out)["runId"]),
        ("fail", json.loads(done.out)["runId"]),
    ]
    assert "MissingTablesError" in checks.pings[1].body


async def test_channels_are_tested_without_a_daemon_or_a_database(
    tmp_path: Path, channel: Hook
) -> None:
    nothing = {"DATABASE_URL": "postgresql://nobody@localhost:1/none"}
    done = await command("alert", "test", cwd=tmp_path, ALERT_URLS=channel.url, **nothing)
    assert (done.code, done.err) == (0, "")
    assert "took it" in done.out
    assert channel.titles == ["lamplighter: a test"]

    urls = f"{channel.url},json://localhost:1/very-secret-path"
    done = await command("alert", "test", "--json", cwd=tmp_path, ALERT_URLS=urls, **nothing)
    assert done.code == 1
    assert json.loads(done.out) == [
        {"channel": 1, "scheme": "json", "ok": True, "reason": None},
        {"channel": 2, "scheme": "json", "ok": False, "reason": "could not be reached"},
    ]
    done = await command("alert", "test", cwd=tmp_path, **nothing)
    assert done.code == 1
    assert "ALERT_URLS is not set" in done.err


async def test_doctor_says_which_address_is_of_no_use(database: str, tmp_path: Path) -> None:
    urls = "json://127.0.0.1:1/hunter2 nonsense://hunter2"
    found = await command("doctor", "--json", cwd=tmp_path, DATABASE_URL=database, ALERT_URLS=urls)
    looks = [one for one in json.loads(found.out) if one["check"] == "alerts"]
    assert [(one["ok"], one["fix"]) for one in looks] == [
        (True, "`lamplighter alert test` sends a message"),
        (False, "correct ALERT_URLS"),
    ]
    assert "hunter2" not in found.out + found.err
