"""The published routes as their callers use them, on a real daemon."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from tests.support.daemon import DaemonProcess, daemon
from tests.support.machine import connect

pytestmark = pytest.mark.timeout(120)

SCHEDULE = """
jobs:
  reset-credits: {cron: "0 0 1 1 *"}
  cleanup: {cron: "0 0 1 1 *"}
  tidy/monthly: {job: cleanup, cron: "0 0 1 1 *", params: {events_days: 400}}
"""
LOCKED = "LOCK TABLE app_users IN ACCESS EXCLUSIVE MODE"
WORKERS = "/api/v1/workers"


async def raw(one: DaemonProcess, request: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection."""
    port = int(one.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_run_by_get_and_by_post_with_arguments(database: str, tmp_path: Path) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        for method in ("GET", "POST"):
            status, body = await one.call(f"{WORKERS}/cleanup?eventsDays=30", method)
            assert (status, body["success"]) == (200, True), body
            assert {"webhooksDeleted", "eventsDeleted", "runsDeleted", "backlog"} <= set(
                body["data"]
            )
            _, run = await one.call(f"/api/v1/runs/{body['runId']}")
            assert run["params"]["eventsDays"] == 30
            assert run["trigger"] == "http"
        # wget --post-data sends JSON under the form's content type.
        status, body = await one.call(
            f"{WORKERS}/cleanup",
            "POST",
            data=b'{"events_days": 31}',
        )
        assert status == 200, body
        status, body = await one.call(f"{WORKERS}/tidy/monthly", "POST")
        assert status == 200, body
        for name in ("tidy/monthly", "tidy%2Fmonthly"):
            async with one.session.get(
                URL(f"{one.url}/api/v1/jobs/{name}", encoded=True),
                headers={"Authorization": "Bearer dev-admin-secret"},
            ) as response:
                assert (await response.json())["name"] == "tidy/monthly"


@pytest.mark.parametrize(
    ("path", "method", "options", "status", "words"),
    [
        (f"{WORKERS}/no-such-job", "POST", {}, 404, "no-such-job"),
        (f"{WORKERS}/cleanup", "DELETE", {}, 405, ""),
        (f"{WORKERS}/cleanup?events_days=0", "POST", {}, 422, "events_days"),
        (f"{WORKERS}/cleanup?no_such=1", "POST", {}, 422, "no_such"),
        (f"{WORKERS}/cleanup?wait=soon", "POST", {}, 422, "wait"),
        (f"{WORKERS}/cleanup", "POST", {"data": b"{broken"}, 400, ""),
        (f"{WORKERS}/cleanup", "POST", {"data": b" " * 70_000}, 413, ""),
        ("/api/v1/runs?status=odd", "GET", {}, 422, "status"),
        ("/api/v1/runs/00000000-0000-0000-0000-000000000000", "GET", {}, 404, ""),
        ("/nowhere", "GET", {}, 404, ""),
    ],
)
async def test_a_mistake_is_answered_with_its_status(
    database: str,
    tmp_path: Path,
    path: str,
    method: str,
    options: dict[str, Any],
    status: int,
    words: str,
) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        answered, body = await one.call(path, method, **options)
        assert answered == status, body
        assert body["success"] is False
        assert words in json.dumps(body)
        assert await one.runs() == []


async def test_secrets(database: str, tmp_path: Path) -> None:
    cron, admin = "the-cron-secret-of-tests", "the-admin-one-of-tests"
    async with daemon(
        tmp_path, SCHEDULE, DATABASE_URL=database, CRON_SECRET=cron, ADMIN_SECRET=admin
    ) as one:
        await one.until_ready()
        bodies = [
            await one.call(path, "POST", secret="wrong")
            for path in (f"{WORKERS}/cleanup", f"{WORKERS}/no-such-job")
        ]
        assert [status for status, _ in bodies] == [401, 401]
        assert bodies[0] == bodies[1]
        assert (await one.call(f"{WORKERS}/cleanup", secret=cron))[0] == 200
        assert (await one.call(f"{WORKERS}/cleanup", secret=admin))[0] == 401
        assert (await one.call("/api/v1/jobs", secret=admin))[0] == 200
        assert (await one.call("/api/v1/jobs", secret=cron))[0] == 401
        statuses = [(await one.call("/api/v1/jobs", secret="guess"))[0] for _ in range(12)]
        assert statuses[-1] == 429
        assert (await one.call("/api/v1/jobs", secret=admin))[0] == 200
        text = one.log.read_text()
        assert cron not in text
        assert admin not in text


async def test_without_a_secret_only_loopback_callers_are_answered(
    database: str, tmp_path: Path
) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        bearer = {"Authorization": "Bearer dev-admin-secret"}
        for extra in ({"Host": "evil.example"}, {"X-Forwarded-For": "10.0.0.1"}):
            async with one.session.post(
                f"{one.url}{WORKERS}/cleanup", headers={**bearer, **extra}
            ) as response:
                assert response.status in {401, 403}
        assert await one.runs() == []


async def test_waiting_running_and_idempotency(database: str, tmp_path: Path) -> None:
    async with (
        daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one,
        connect(database) as connection,
    ):
        await one.until_ready()
        async with connection.transaction():
            await connection.execute(LOCKED)
            status, body = await one.call(f"{WORKERS}/reset-credits?wait=0", "POST")
            assert status == 202
            run_id = body["runId"]
            status, body = await one.call(f"{WORKERS}/reset-credits", "POST")
            assert (status, body["runId"]) == (409, run_id)
            status, body = await one.call(f"{WORKERS}/runs/{run_id}")
            assert (status, body["data"]["status"]) == (200, "running")
        status, body = await one.call(f"/api/v1/runs/{run_id}/cancel", "POST")
        assert status in {200, 202, 409}
        key = {"Authorization": "Bearer dev-admin-secret", "Idempotency-Key": "night-1"}
        ids = set()
        for _ in range(2):
            async with one.session.post(f"{one.url}{WORKERS}/cleanup", headers=key) as response:
                assert response.status == 200
                ids.add((await response.json())["runId"])
        assert len(ids) == 1
        async with one.session.post(
            f"{one.url}{WORKERS}/cleanup?events_days=5", headers=key
        ) as response:
            assert response.status == 422


async def test_no_banner_and_an_envelope_even_for_malformed_requests(
    database: str, tmp_path: Path
) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        answer = await raw(one, b"GET / HTTP/9.9\r\nnonsense\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 400 " in head.partition(b"\r\n")[0]
        assert b"server:" not in head.lower()
        assert json.loads(body)["success"] is False


async def test_reload_names_errors_and_changes_nothing(database: str, tmp_path: Path) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        config = tmp_path / "daemon.yaml"
        config.write_text('jobs:\n  cleanup: {cron: "0 0 L * *"}\n')
        _, body = await one.call("/api/v1/schedule/reload", "POST")
        [error] = body["errors"]
        assert error["line"] == 2
        assert "cleanup" in error["key"]
        _, health = await one.call("/health")
        assert health["status"] == "degraded"
        assert any("rejected" in reason for reason in health["reasons"])
        config.write_text('jobs:\n  cleanup: {cron: "@daily"}\n')
        status, body = await one.call("/api/v1/schedule/reload", "POST")
        assert status == 200
        assert body["changed"] == ["cleanup"]
        assert set(body["removed"]) == {"reset-credits", "tidy/monthly"}
        _, health = await one.call("/health")
        assert health["status"] == "healthy", health


async def test_openapi_has_every_worker_route(database: str, tmp_path: Path) -> None:
    async with daemon(tmp_path, SCHEDULE, DATABASE_URL=database) as one:
        await one.until_ready()
        async with one.session.get(f"{one.url}/openapi.json") as response:
            document = await response.json()
        assert document["openapi"].startswith("3.")
        assert "/livez" in document["paths"]
        assert any("cleanup" in path for path in document["paths"]) or any(
            "{" in path and "workers" in path for path in document["paths"]
        )
