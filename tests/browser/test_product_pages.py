"""Can everybody use analytics and the newsletter: in any light, on a phone, without scripts?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.browser.looking import OpenLooker
from tests.support.machine import START
from tests.web import test_analytics as analytics
from tests.web import test_newsletter as newsletter
from tests.web.hostile import PAYLOADS
from tests.web.site import OpenSite

PATHS = (
    *("/analytics", "/analytics?days=365", "/analytics/funnels", "/analytics/funnels/free-to-paid"),
    *("/analytics/cohorts", "/analytics/cohorts/weekly", "/analytics/segments", "/newsletter"),
    *("/newsletter/sequences", "/newsletter/sequences/welcome", "/newsletter/suppressions"),
    "/newsletter/suppressions/lift?email=reader00006%40example.com",
)
WAYS: tuple[dict[str, Any], ...] = (
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"viewport": {"width": 360, "height": 740}},
)


@pytest.fixture
async def product(database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """With something on every page, most of it hostile."""
    connection = await asyncpg.connect(database)
    payload = PAYLOADS[0] + PAYLOADS[1]
    yesterday = START.date() - timedelta(days=1)
    hour = START.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    await analytics.sql.days(connection, last=yesterday, days=100, size=12_345)
    await analytics.sql.hours(connection, last=hour, hours=40, size=12_345)
    await analytics.funnel(connection, description=payload, computed_at=START.isoformat())
    groups = {
        "2026-W04": {"size": 50, "periods": [100, None], "complete": 1},
        "2026-W03": {"size": 1000, "periods": [100, None, *range(1, 25)]},
    }
    await analytics.cohort(connection, groups, description=payload)
    await analytics.segment(connection, name=payload, description=payload)
    key = await newsletter.sequence(connection, name=payload)
    await newsletter.sql.enrol(connection, sequence=key, many=9, done=10, status="active", at=START)
    errors = json.dumps([{"email": payload, "message": payload}])
    await newsletter.synced(connection, "brevo", status="partial", failed=1, errors=errors)
    await newsletter.message(connection, "pending")
    await newsletter.message(connection, "failed", error=payload)
    await newsletter.sql.condition(connection, name="outbox", reason="paused: odd", at=START)
    await newsletter.sql.suppress_many(connection, many=60, at=START)
    yield connection
    await connection.close()


@pytest.mark.parametrize("way", WAYS, ids=("light", "dark", "phone"))
@pytest.mark.usefixtures("product")
async def test_every_page_is_accessible_and_fits(
    site: OpenSite, look: OpenLooker, way: dict[str, Any]
) -> None:
    one = await look(await site(), **way)
    await one.log_in()
    for path in PATHS:
        await one.page.goto(path)
        await one.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert "cannot be shown" not in await one.text(), path
        assert await one.serious() == [], path
        assert await one.width() <= await one.page.evaluate("innerWidth"), path


@pytest.mark.usefixtures("product")
async def test_a_suppression_is_lifted_in_a_dialog(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    await one.page.goto("/newsletter/suppressions")
    await one.page.click("[aria-label='Lift reader00006@example.com']")
    await one.page.wait_for_selector("dialog[open] >> text=be written to again?")
    assert await one.page.evaluate("document.activeElement.id") == "lift-reason"
    await one.page.keyboard.type("they asked")
    await one.page.keyboard.press("Enter")
    await one.page.wait_for_selector("text=may be written to again; it was unsubscribed.")
    await one.page.fill("#q", "reader00006")
    await one.page.keyboard.press("Enter")
    await one.page.wait_for_selector("text=by admin")


@pytest.mark.usefixtures("product")
async def test_a_suppression_is_lifted_without_scripts(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site(), java_script_enabled=False)
    await one.log_in()
    await one.page.goto("/newsletter/suppressions")
    await one.page.click("[aria-label='Lift reader00006@example.com']")
    await one.page.fill("#lift-reason", "they asked")
    await one.page.click("text=Lift it")
    await one.page.wait_for_selector("text=may be written to again; it was unsubscribed.")
