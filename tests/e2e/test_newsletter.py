"""The daemon and a newsletter provider as processes: synced, killed half way, told by webhook."""

from __future__ import annotations

import asyncio
import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import PATIENCE, daemon
from tests.support.jobs import product
from tests.support.newsletter_providers import FakeMailchimp, FakeMailerLite
from tests.support.newsletters import KEY, Newsletter, serving

pytestmark = pytest.mark.timeout(120)

SCHEDULE = 'jobs: {sync-newsletter: {cron: "0 0 1 1 *", retry: {attempts: 1}}}\n'
PEOPLE = 6_000


async def test_a_daemon_that_is_killed_in_a_sync_ends_as_if_it_were_not(
    database: str, tmp_path: Path
) -> None:
    server = FakeMailchimp()
    async with product(database) as shop, serving(server):
        here = Newsletter(shop)
        await here.crowd(PEOPLE)
        settings: dict[str, Any] = {
            "DATABASE_URL": database,
            "MAILCHIMP_API_KEY": KEY,
            "MAILCHIMP_API_URL": server.url,
            "MAILCHIMP_LIST_ID": FakeMailchimp.LIST,
        }
        async with daemon(tmp_path, SCHEDULE, **settings) as one:
            await one.until_ready()
            await one.call("/api/v1/workers/sync-newsletter?wait=0", "POST")
            deadline = asyncio.get_running_loop().time() + PATIENCE
            while len(server.people) < PEOPLE // 4:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.01)
            await one.kill()
        async with daemon(tmp_path, SCHEDULE, **settings) as one:
            await one.until_ready()
            for _ in range(100):  # the run that was killed may be taken up first
                status, body = await one.call("/api/v1/workers/sync-newsletter", "POST")
                if status == 200:
                    break
                await asyncio.sleep(0.2)
            assert status == 200, body
            server.forget_calls()
            status, body = await one.call("/api/v1/workers/sync-newsletter", "POST")
        result = body["data"]["results"]["mailchimp"]
        assert (status, result["success"], result["processed"]) == (200, True, 0)
        assert server.writes() == []
        assert len(server.people) == PEOPLE
        unsynced = "SELECT count(*) FROM newsletter_subscribers WHERE sync_status <> 'synced'"
        assert await shop.pool.fetchval(unsynced) == 0
        assert KEY not in (tmp_path / "daemon.log").read_text()


async def test_webhooks_reach_the_daemon_as_providers_send_them(
    database: str, tmp_path: Path
) -> None:
    mailerlite, mailchimp = FakeMailerLite(), FakeMailchimp()
    async with product(database) as shop, serving(mailerlite, mailchimp):
        here = Newsletter(shop)
        for name in ("ann", "bob"):
            await here.add(f"{name}@example.com")
        settings: dict[str, Any] = {
            "DATABASE_URL": database,
            "MAILERLITE_API_KEY": KEY,
            "MAILERLITE_API_URL": mailerlite.url,
            "MAILERLITE_WEBHOOK_SECRET": "mailerlites-secret",
            "MAILCHIMP_API_KEY": KEY,
            "MAILCHIMP_API_URL": mailchimp.url,
            "MAILCHIMP_LIST_ID": FakeMailchimp.LIST,
            "MAILCHIMP_WEBHOOK_SECRET": "mailchimps-secret",
        }
        async with daemon(tmp_path, SCHEDULE, **settings) as one:
            await one.until_ready()
            at = f"{one.url}/api/v1/newsletter/webhooks"
            event = {"event": "subscriber.unsubscribed", "email": "ann@example.com"}
            body = json.dumps(event).encode()
            signed = {"Signature": hmac.new(b"mailerlites-secret", body, sha256).hexdigest()}
            form = {
                "type": "cleaned",
                "data[list_id]": FakeMailchimp.LIST,
                "data[email]": "bob@example.com",
                "data[reason]": "hard",
            }
            secret = "?secret=mailchimps-secret"
            tries: list[tuple[str, str, dict[str, Any], int]] = [
                ("POST", "/mailerlite", {"data": body}, 401),
                ("POST", "/mailerlite", {"data": body, "headers": signed}, 200),
                ("GET", "/mailchimp", {}, 401),
                ("GET", f"/mailchimp{secret}", {}, 200),
                ("POST", "/mailchimp", {"data": form}, 401),
                ("POST", f"/mailchimp{secret}", {"data": form}, 200),
                ("POST", "/brevo", {"json": {}}, 404),
                ("GET", "/brevo", {}, 405),
            ]
            for method, path, options, status in tries:
                async with one.session.request(method, at + path, **options) as response:
                    assert response.status == status, (method, path)
    async with product(database) as shop:
        assert await Newsletter(shop).statuses() == {
            "ann@example.com": "unsubscribed",
            "bob@example.com": "cleaned",
        }
