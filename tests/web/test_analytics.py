"""Do the pages of analytics show what the jobs computed, whatever stands in the product's rows?"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest

from scheduler.sql import load_sql
from tests.support.machine import START
from tests.web.browsing import Browser, logged_in
from tests.web.hostile import PAYLOADS, broken_by, text_of
from tests.web.site import OpenSite, open_site

sql: Any = load_sql(__file__)
YESTERDAY = START.date() - timedelta(days=1)
PAGES = (
    "/analytics",
    "/analytics?days=30",
    "/analytics?days=365",
    "/analytics/funnels",
    "/analytics/cohorts",
    "/analytics/segments",
)
STEPS = '[{"name": "Signup", "event": "user_created"}, {"name": "Paid", "event": "paid"}]'
METRICS = json.dumps(
    [
        {"step": 1, "name": "Signup", "count": 1200, "median_seconds_from_previous": None},
        {"step": 2, "name": "Paid", "count": 300, "median_seconds_from_previous": 5400.5},
    ]
)


@pytest.fixture
async def product(database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def funnel(product: Any, **columns: Any) -> None:
    row = {
        "name": "Free to paid",
        "slug": "free-to-paid",
        "description": None,
        "status": None,
        "steps": STEPS,
        "average": "2 days 3 hours",
        "metrics": METRICS,
        "computed_at": None,
    }
    await sql.funnel(product, **{**row, **columns})


async def cohort(product: Any, data: object, **columns: Any) -> None:
    row = {
        "name": "Weekly",
        "slug": "weekly",
        "description": None,
        "metric": "retention",
        "data": json.dumps(data),
        "computed_at": None,
    }
    await sql.cohort(product, **{**row, **columns})


async def segment(product: Any, **columns: Any) -> None:
    row = {
        "name": "Free tier",
        "slug": "free-tier",
        "description": None,
        "criteria": '{"subscription_tier": "free"}',
        "members": 1234,
        "dynamic": None,
        "computed_at": START.isoformat(),
    }
    await sql.segment(product, **{**row, **columns})


async def opened(browser: Browser, path: str) -> str:
    """A page all of whose parts are shown, that is no heavier than a page may be."""
    page = await browser.page(path)
    assert "cannot be shown" not in page, path
    assert len(page.encode()) < 150_000, path
    return page


async def test_without_any_rows_every_page_says_what_to_do(site: OpenSite) -> None:
    browser = await logged_in(await site())
    for path in PAGES:
        assert "/jobs/" in await opened(browser, path), path
    assert "No day of this period has been added up yet" in await browser.page("/analytics")
    assert "There is no funnel yet" in await browser.page("/analytics/funnels")
    assert "There is no cohort yet" in await browser.page("/analytics/cohorts")
    assert "There is no segment yet" in await browser.page("/analytics/segments")
    for what in ("funnels", "cohorts"):
        assert (await browser.call(f"/analytics/{what}/nowhere")).status == 404


async def test_tables_that_are_missing_are_named(
    database_b: str, session: aiohttp.ClientSession
) -> None:
    async with open_site(database_b, session, {}) as one:
        browser = await logged_in(one)
        for path, table in (
            ("/analytics", "analytics_daily"),
            ("/analytics", "analytics_hourly"),
            ("/analytics/funnels", "analytics_funnels"),
            ("/analytics/funnels/x", "analytics_funnels"),
            ("/analytics/cohorts", "analytics_cohorts"),
            ("/analytics/cohorts/x", "analytics_cohorts"),
            ("/analytics/segments", "newsletter_segments"),
        ):
            page = await browser.page(path)
            assert f"lacks <code>{table}</code>" in page, path
            assert "lamplighter doctor" in page


async def test_one_part_that_cannot_be_read_leaves_the_others(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await sql.days(product, last=YESTERDAY, days=3, size=1000)
    await sql.hours(product, last=START.replace(minute=0) - timedelta(hours=1), hours=3, size=7)
    browser = await logged_in(await site())
    async with product.transaction():
        await sql.lock_hours(product)
        page = await browser.page("/analytics")
    assert "The hours cannot be shown now" in page
    assert "did not answer in time" in page
    assert "Users a day" in page
    await sql.drop_column(product)
    browser = await logged_in(await site())
    page = await browser.page("/analytics")
    assert "lacks <code>analytics_daily.mrr_cents</code>" in page
    assert "Active users an hour" in page


async def test_days_are_lines_with_a_table_and_gaps(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await sql.days(product, last=START.date(), days=61, size=1000)
    gap = YESTERDAY - timedelta(days=10)
    await sql.forget_day(product, day=gap)
    browser = await logged_in(await site())
    page = await opened(browser, "/analytics?days=30")
    assert 'aria-current="true">30 days' in page
    assert "29 days of 30 added up" in page
    row = re.search(rf'<th scope="row" class="nowrap">{YESTERDAY}</th>(.*?)</tr>', page)
    assert row
    assert re.findall("<td>(.*?)</td>", row[1])[:4] == ["1,002", "1,003", "1,001", "10.06"]
    assert str(START.date()) not in re.findall(r'class="nowrap">(.*?)</th>', page)
    row = re.search(rf'<th scope="row" class="nowrap">{gap}</th>(.*?)</tr>', page)
    assert row
    assert set(re.findall("<td>(.*?)</td>", row[1])) == {"–"}
    # A line has a gap there: it begins twice.
    paths = re.findall(r'<path class="plot series-0" d="([^"]+)"', page)
    assert len(paths) == 6
    assert all(path.count("M") == 2 for path in paths)
    # The mean of the 29 days beside that of the 30 before.
    assert "+0&nbsp;%" in page or "+0 %" in page


async def test_a_year_has_a_point_for_each_week(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await sql.days(product, last=YESTERDAY, days=730, size=2_000_000_000)
    browser = await logged_in(await site())
    page = await opened(browser, "/analytics?days=365")
    assert "the average day of a week" in page
    assert len(re.findall('<th scope="row" class="nowrap">', page)) == 52
    for days in (30, 90):
        await opened(browser, f"/analytics?days={days}")


@pytest.mark.parametrize(
    "query", ["days=31", "days=x", "days=", "days=%00", "weeks=1", "days=9" * 2]
)
async def test_other_periods_are_refused(site: OpenSite, query: str) -> None:
    browser = await logged_in(await site())
    assert (await browser.call(f"/analytics?{query}")).status == 422


async def test_hours_are_bars(site: OpenSite, product: asyncpg.Connection[Any]) -> None:
    last = START.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    await sql.hours(product, last=last, hours=60, size=1000)
    page = await opened(await logged_in(await site()), "/analytics")
    assert len(re.findall(r'<rect class="bar ', page)) == 4 * 48
    assert f"{last:%b %d, %H:%M}: 1,000" in page
    assert f"{last - timedelta(hours=47):%b %d, %H:%M}: 1,047" in page
    assert "1,048" not in page


async def test_a_funnel_is_bars_with_what_was_lost_and_times(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await funnel(product, computed_at=(START - timedelta(hours=3)).isoformat())
    browser = await logged_in(await site())
    page = await opened(browser, "/analytics/funnels")
    assert 'href="/analytics/funnels/free-to-paid"' in page
    assert "25 %" in page
    assert "2 days 3 h" in page
    page = await opened(browser, "/analytics/funnels/free-to-paid")
    for words in ("300 · 25 %", "900 lost", "half within 1 h 30 min", "3 h ago", "Signup → Paid"):
        assert words in page, words
    assert "changed after" not in page


async def test_a_funnel_that_was_changed_since_says_so(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await funnel(product, steps='[{"event": "a"}, {"event": "b"}, {"event": "c"}]')
    page = await opened(await logged_in(await site()), "/analytics/funnels/free-to-paid")
    assert "changed after it was computed" in page
    assert "a → b → c" in page


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("[]", "Not computed yet"),
        ("null", "Not computed yet"),
        ('{"a": 1}', "Step_metrics is an object, not a list"),
        ('"x"', "Step_metrics is a text, not a list"),
        ("[1]", "Step_metrics[0] is a number, not an object"),
        ('[{"name": 7, "count": 1}]', "Step_metrics[0].name is a number, not a text"),
        ('[{"name": "a"}]', "Step_metrics[0].count is null, not a number"),
        ('[{"name": "a", "count": -1}]', "Step_metrics[0].count is out of range"),
        ('[{"name": "a", "count": 1e300}]', "Step_metrics[0].count is out of range"),
        ('[{"name": "a", "count": 1.5}]', "Step_metrics[0].count is not a whole number"),
        ('[{"name": "a", "count": true}]', "is true or false, not a number"),
        (f'[{{"name": "a", "count": {"9" * 5000}}}]', "has a number too long"),
        (f"{'[' * 3000}{']' * 3000}", "is"),
        (json.dumps([{"name": "a", "count": 1}] * 51), "over 50 steps"),
        (json.dumps([{"name": "a" * 70_000, "count": 1}]), "longer than 65,536 bytes"),
    ],
)
async def test_odd_step_metrics_are_said_and_the_rest_stands(
    site: OpenSite, product: asyncpg.Connection[Any], metrics: str, words: str
) -> None:
    await funnel(product, metrics=metrics, average="-178000000 years", computed_at="infinity")
    page = await opened(await logged_in(await site()), "/analytics/funnels/free-to-paid")
    assert words in page
    assert "1,200" in page
    assert "Signup → Paid" in page


async def test_a_cohort_is_a_heat_map(site: OpenSite, product: asyncpg.Connection[Any]) -> None:
    data = {
        "2026-W04": {"size": 50, "periods": [100, None], "complete": 1},
        "2026-W03": {"size": 1000, "periods": [100, None, 12.5], "complete": 3},
        "2026-W02": {"size": 10, "periods": "none"},
        "2026-W01": [],
    }
    await cohort(product, data)
    page = await opened(await logged_in(await site()), "/analytics/cohorts/weekly")
    assert page.index("2026-W04") < page.index("2026-W03")
    assert page.count('<td class="heat-running"') == 1
    assert page.count('<td class="heat-unknown"') == 1
    assert '<td class="heat-9">12.5 %</td>' in page
    assert "<td>1,000</td>" in page
    assert "periods is a text, not a list" in page
    assert "is a list, not an object" in page


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("revenue", ">123<"),
        ("generations", ">12,345<"),
        ("engagement", ">12,345<"),
        ("x", "12,345"),
    ],
)
async def test_a_cohorts_numbers_read_as_what_they_are(
    site: OpenSite, product: asyncpg.Connection[Any], metric: str, words: str
) -> None:
    await cohort(product, {"2026-W01": {"size": 3, "periods": [12345]}}, metric=metric)
    assert words in await opened(await logged_in(await site()), "/analytics/cohorts/weekly")


@pytest.mark.parametrize("data", [[], 7, "x", [[1]]])
async def test_odd_cohort_data_is_said(
    site: OpenSite, product: asyncpg.Connection[Any], data: object
) -> None:
    await cohort(product, data)
    page = await opened(await logged_in(await site()), "/analytics/cohorts/weekly")
    assert "Cohort_data is of type" in page
    assert "All cohorts" in page


async def test_a_large_cohort_is_shown_in_pages(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    days = [(START - timedelta(days=n)).date().isoformat() for n in range(400)]
    data = {
        day: {"size": 10**9, "periods": [99.99] * (n + 1), "complete": n}
        for n, day in enumerate(days)
    }
    await cohort(product, data)
    browser = await logged_in(await site())
    seen: list[str] = []
    path: str | None = "/analytics/cohorts/weekly"
    while path:
        page = await opened(browser, path)
        seen += re.findall(r'<th scope="row">([\d-]+)</th>', page)
        older = re.search(r'<a href="([^"]+)" rel="next">Older', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == days
    page = await opened(browser, f"/analytics/cohorts/weekly?before={days[-2]}")
    later = re.search(r'<a href="([^"]+)">Later periods', page)
    assert later
    assert "Day 26" not in page
    page = await opened(browser, later[1].replace("&amp;", "&"))
    assert "Week 26" in page
    for query in ("from=-1", "from=x", "from=99999", "x=1", "before=%00"):
        assert (await browser.call(f"/analytics/cohorts/weekly?{query}")).status == 422


async def test_segments_with_their_sizes(site: OpenSite, product: asyncpg.Connection[Any]) -> None:
    await segment(product)
    await segment(product, slug="new", name="Never", computed_at=None)
    await segment(product, slug="hand", name="Chosen", dynamic=False, members=40)
    page = await opened(await logged_in(await site()), "/analytics/segments")
    assert "1,234" in page
    assert "never" in page
    assert "by hand" in page
    assert re.findall(r'<text class="strong" x="0" y="\d+">(\w+)', page) == [
        "Free",
        "Chosen",
        "Never",
    ]


async def test_lists_go_on_by_slug(site: OpenSite, product: asyncpg.Connection[Any]) -> None:
    for n in range(51):
        await funnel(product, slug=f"funnel-{n:02d}", name=f"Number {n}")
        await cohort(product, {}, slug=f"cohort-{n:02d}", name=f"Number {n}")
        await segment(product, slug=f"segment-{n:02d}", name=f"Number {n}")
    browser = await logged_in(await site())
    for what in ("funnel", "cohort", "segment"):
        page = await opened(browser, f"/analytics/{what}s")
        assert "Number 49" in page
        assert "Number 50" not in page
        page = await opened(browser, f"/analytics/{what}s?after={what}-49")
        assert "Number 50" in page
        assert "Number 49" not in page


async def test_hostile_rows_stay_text_and_can_be_opened(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    for payload in (*PAYLOADS, "..", ".", "a/b?c#d", "%2e%2e", "é ü"):
        metrics = json.dumps([{"name": payload, "count": 2}, {"name": "b", "count": 1}])
        await funnel(
            product,
            name=payload,
            slug=payload,
            description=payload,
            status=payload[:50],
            metrics=metrics,
            steps=json.dumps([{"name": payload, "event": payload}] * 2),
        )
        await cohort(
            product,
            {payload: {"size": 1, "periods": [1]}, payload + "2": {payload: payload}},
            name=payload,
            slug=payload,
            description=payload,
            metric=payload,
        )
        await segment(
            product,
            name=payload,
            slug=payload,
            description=payload,
            criteria=json.dumps({payload: payload}),
        )
    browser = await logged_in(await site())
    opened_pages = 0
    for what in ("funnels", "cohorts", "segments"):
        page = await opened(browser, f"/analytics/{what}")
        assert broken_by(page) == []
        assert all(payload in text_of(page) for payload in PAYLOADS)
        links = set(re.findall(rf'href="(/analytics/{what}/[^"]+)"', page))
        for link in links:
            page = await opened(browser, link.replace("&amp;", "&"))
            assert broken_by(page) == [], link
            opened_pages += 1
    assert opened_pages == 2 * (len(PAYLOADS) + 5)
    for path in ("/analytics/funnels/%00", "/analytics/cohorts/" + "x" * 300):
        assert (await browser.call(path)).status == 404
