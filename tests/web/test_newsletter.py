"""Do the pages of the newsletter say what is synced, waits and is suppressed, and lift that?"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any

import aiohttp
import asyncpg
import pytest

from jobs.process_email_queue import job as mail_job
from scheduler.db.product_pages import sequences, suppressions, sync
from scheduler.sql import load_sql
from tests.support.machine import START
from tests.web.browsing import Browser, logged_in
from tests.web.hostile import PAYLOADS, broken_by, text_of
from tests.web.site import OpenSite, open_site

sql: Any = load_sql(__file__)
PATH = "/newsletter/suppressions"
HOUR = timedelta(hours=1)


@pytest.fixture
async def product(database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database)
    await sql.came(connection, at=START - 10 * HOUR)
    yield connection
    await connection.close()


async def message(product: Any, status: str, **columns: Any) -> Any:
    row = {
        "scheduled_at": None,
        "next_retry_at": None,
        "attempts": None,
        "error": None,
        "code": None,
        "created_at": START - HOUR,
    }
    return await sql.message(product, status=status, **{**row, **columns})


async def sequence(product: Any, slug: str = "welcome", steps: int = 3, **columns: Any) -> Any:
    row = {"name": "Welcome", "status": "active", **columns}
    key = await sql.sequence(product, slug=slug, **row)
    for n in range(1, steps + 1):
        await sql.step(product, sequence=key, place=n * 10, name=f"Step {n}")
    return key


async def synced(product: Any, provider: str, **columns: Any) -> None:
    row = {"status": "completed", "failed": 0, "errors": "[]", "at": START - HOUR}
    await sql.synced(product, provider=provider, **{**row, **columns})


async def opened(browser: Browser, path: str) -> str:
    page = await browser.page(path)
    assert "cannot be shown" not in page, path
    assert len(page.encode()) < 150_000, path
    return page


def cells(page: str, head: str) -> list[str]:
    """The cells of the row that begins so."""
    row = re.search(
        rf'<th scope="row"[^>]*>{re.escape(head)}(?:<small>.*?</small>)?</th>(.*?)</tr>',
        page,
        re.DOTALL,
    )
    assert row, head
    return [
        unescape(re.sub("<[^>]+>", "", cell))
        for cell in re.findall("<td[^>]*>(.*?)</td>", row[1], re.DOTALL)
    ]


async def test_with_nothing_there_the_pages_say_what_to_do(site: OpenSite) -> None:
    browser = await logged_in(await site())
    page = await opened(browser, "/newsletter")
    for words in ("No provider is on", "Nothing waits to be sent", "Nobody is suppressed"):
        assert words in page
    assert "There is no sequence yet" in await opened(browser, "/newsletter/sequences")
    assert "Nobody is suppressed" in await opened(browser, PATH)
    assert (await browser.call("/newsletter/sequences/nowhere")).status == 404


async def test_tables_that_are_missing_are_named_and_ours_are_shown(
    database_b: str, session: aiohttp.ClientSession
) -> None:
    connection = await asyncpg.connect(database_b)
    await sql.suppress(connection, email="gone@example.com", detail=None, at=START)
    await connection.close()
    async with open_site(database_b, session, {}) as one:
        browser = await logged_in(one)
        page = await browser.page("/newsletter")
        assert "lacks <code>newsletter_sync_log</code>" in page
        assert "Nothing waits to be sent" in page
        assert "gone@example.com" in page
        for path in ("/newsletter/sequences", "/newsletter/sequences/welcome"):
            page = await browser.page(path)
            assert "<code>newsletter_sequences</code>" in page
            assert "<code>newsletter_sequence_enrollments</code>" in page
        assert "gone@example.com" in await opened(browser, PATH)


async def test_each_provider_says_how_its_last_sync_ended(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await synced(product, "brevo", at=START - 3 * HOUR)
    errors = [{"email": "a@example.com", "message": "is blocked"}, {"message": "is down"}, 7]
    await synced(product, "brevo", status="partial", failed=3, errors=json.dumps(errors))
    await synced(product, "somebody-elses", status="failed")
    await sql.provider(product, provider="brevo", at=START - 30 * HOUR)
    await sql.contacts(product, provider="brevo", many=10_001, at=START)
    await sql.delivery(product, provider="brevo", at=START - HOUR)
    page = await opened(await logged_in(await site()), "/newsletter")
    for words in (
        *("Last syncs: 1 succeeded, 1 retrying", "12 created", "3 failed", "over 10,000"),
        *("a@example.com: is blocked", '<li class="wrap">is down</li>', "somebody-elses"),
    ):
        assert words in page, words
    assert "Mailchimp" not in page


@pytest.mark.parametrize("errors", ['{"a": 1}', '"x"', "7", "null", f"{'[' * 500}{']' * 500}"])
async def test_odd_errors_of_a_sync_are_shown_as_they_can_be(
    site: OpenSite, product: asyncpg.Connection[Any], errors: str
) -> None:
    await synced(product, "mailchimp", errors=errors)
    assert "Mailchimp" in await opened(await logged_in(await site()), "/newsletter")


async def test_the_outbox_says_what_waits_for_what(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    paused = await sequence(product, status="paused", steps=0)
    held = await sql.step(product, sequence=paused, place=1, name="Held")
    live = await sequence(product, slug="live", steps=0)
    step = await sql.step(product, sequence=live, place=1, name="Live")
    for which in (held, step):
        key = await message(product, "scheduled", created_at=START - 2 * HOUR)
        await sql.outbox(product, id=key, step=which, at=START)
    await message(product, "pending")
    await message(product, "scheduled", scheduled_at=START + HOUR)
    await message(product, "pending", attempts=1, next_retry_at=START + HOUR)
    await message(product, "pending", created_at=START - 11 * HOUR)
    await message(product, "scheduled")
    await message(product, "sent")
    for _ in range(2):
        await message(product, "failed", attempts=3, code="552", error="mailbox full")
    await message(product, "failed", attempts=1, next_retry_at=START, error="<b>odd</b>")
    await sql.condition(product, name="outbox", reason="paused: no connection", at=START - HOUR)
    await sql.condition(product, name="github", reason="is elsewhere", at=START)
    page = await opened(
        await logged_in(await site({"process-email-queue": mail_job})), "/newsletter"
    )
    assert cells(page, "Due")[:2] == ["2", "2 h ago"]
    assert cells(page, "Held")[:2] == ["1", "2 h ago"]
    assert cells(page, "Later")[:2] == ["1", "in 60 min"]
    assert cells(page, "To be tried again")[0] == "1"
    assert cells(page, "Left alone")[:2] == ["2", "11 h ago"]
    assert cells(page, "552") == ["2", "mailbox full"]
    assert cells(page, "no code") == ["1", "<b>odd</b>"]
    assert "1 of them is tried again" in page
    assert "Paused: no connection" in page
    assert "is elsewhere" not in page
    assert "SMTP_URL is not set" in page
    assert 'href="/jobs/process-email-queue"' in page


async def test_a_paused_job_says_that_nothing_is_sent(site: OpenSite) -> None:
    one = await site({"process-email-queue": mail_job})
    await one.admin("/api/v1/jobs/process-email-queue/pause", "POST", json={"reason": "x"})
    page = await opened(await logged_in(one), "/newsletter")
    assert "process-email-queue is paused: nothing in the queue is sent" in page


async def test_a_sequence_shows_who_stands_before_each_step(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    key = await sequence(product)
    # Orders 10, 20, 30; 25 is a step that was deleted meanwhile.
    for many, done, status in (
        *((5, 0, "active"), (4, 10, "active"), (3, 20, "active"), (2, 25, "active")),
        *((6, 30, "completed"), (1, 10, "failed")),
    ):
        await sql.enrol(product, sequence=key, many=many, done=done, status=status, at=START)
    browser = await logged_in(await site())
    page = await opened(browser, "/newsletter/sequences")
    assert re.findall(r"<b>(\d+)</b>", page) == ["5", "4", "5"]
    assert "66 on their way" in page
    page = await opened(browser, "/newsletter/sequences/welcome")
    counts = [cells(page, f"{n}. Step {n}")[2] for n in (1, 2, 3)]
    assert counts == ["5", "4", "5"]
    for words in ("14 active", "6 completed", "1 failed", "Begins by"):
        assert words in page, words


async def test_more_people_than_are_counted(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    key = await sequence(product)
    await sql.enrol(product, sequence=key, many=10_001, done=10, status="active", at=START)
    browser = await logged_in(await site())
    page = await opened(browser, "/newsletter/sequences")
    assert "Over 10,000 people are on their way" in page
    assert "<b>" not in page
    page = await opened(browser, "/newsletter/sequences/welcome")
    assert "Over 10,000 people are enrolled" in page
    assert "People before each step, of 10,000 enrolments" in page


async def test_suppressions_come_in_pages_each_once(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    await sql.suppress_many(product, many=130, at=START)
    browser = await logged_in(await site())
    seen: list[str] = []
    path: str | None = PATH
    while path:
        page = await opened(browser, path)
        seen += re.findall(r'aria-label="Lift ([^"]+)"', page)
        older = re.search(r'<a href="([^"]+)" rel="next">Older', page)
        path = unescape(older[1]) if older else None
    assert len(seen) == len(set(seen)) == 130
    assert seen[0] == "reader00006@example.com"
    for query in ("before=x&email=a", "before=2026-01-01", "email=a", "x=1", "q=%00"):
        assert (await browser.call(f"{PATH}?{query}")).status == 422, query


async def test_addresses_are_found_by_how_they_begin(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    for email in ("ann@example.com", "anne@example.com", "an%n@example.com", "bob@example.com"):
        await sql.suppress(product, email=email, detail=None, at=START)
    browser = await logged_in(await site())

    async def found(text: str) -> list[str]:
        page = await opened(browser, f"{PATH}?q={text}")
        return re.findall(r'<th scope="row" class="wrap">([^<]+)', page)

    assert await found("ANN") == ["ann@example.com", "anne@example.com"]
    assert await found("an%25") == ["an%n@example.com"]
    assert await found("c") == []
    assert await found("%EF%BF%BF") == []


async def test_a_suppression_is_lifted_with_a_reason_on_the_record(
    site: OpenSite, product: asyncpg.Connection[Any]
) -> None:
    email = "ann+'news'&more@example.com"
    await sql.suppress(product, email=email, detail="550 no such user", at=START - HOUR)
    one = await site()
    browser = await logged_in(one)
    link = re.search(
        rf'class="button small" href="({PATH}/lift[^"]+)"', await opened(browser, PATH)
    )
    assert link
    form = await opened(browser, unescape(link[1]))
    assert "550 no such user" in form
    assert f'name="email" value="{email.replace("&", "&amp;").replace(chr(39), "&#39;")}"' in form
    part = await browser.call(unescape(link[1]), headers={"HX-Request": "true"})
    assert "<html" not in part.text
    for wrong in ({"email": email}, {"email": email, "reason": "x" * 501}, {"reason": "x"}):
        assert (await browser.send(f"{PATH}/lift", wrong)).status == 422
    answer = await browser.send(f"{PATH}/lift", {"email": email.upper(), "reason": "she asked"})
    assert (answer.status, answer.headers["Location"]) == (303, PATH)
    assert await browser.said(PATH) == f"{email.upper()} may be written to again; it was bounced."
    row = await sql.suppression(product, email=email)
    assert (row["lifted_by"], row["lifted_at"]) == ("admin", START)
    [item] = (await one.admin("/api/v1/activity")).body["items"]
    assert (item["who"], item["action"], item["target"], item["reason"], item["detail"]) == (
        *("admin", "lift_suppression", email, "she asked"),
        {"was": "bounced"},
    )
    assert "lifted" in await opened(browser, f"{PATH}?q=ann")
    assert email not in unescape(await opened(browser, PATH))
    assert (await browser.call(unescape(link[1]))).status == 404
    answer = await browser.send(f"{PATH}/lift", {"email": email, "reason": "again"})
    assert await browser.said(PATH) == f"{email} is not suppressed."
    assert len((await one.admin("/api/v1/activity")).body["items"]) == 1


async def test_hostile_rows_stay_text(site: OpenSite, product: asyncpg.Connection[Any]) -> None:
    for n, payload in enumerate(PAYLOADS):
        key = await sequence(product, slug=payload, name=payload, steps=0)
        await sql.step(product, sequence=key, place=1, name=payload)
        errors = json.dumps([{"email": payload, "message": payload}, {payload: payload}])
        await synced(product, payload[:50] if n < 5 else "brevo", status="partial", errors=errors)
        await message(product, "failed", error=payload, code=payload)
        await sql.suppress(product, email=payload.lower(), detail=payload, at=START)
    browser = await logged_in(await site())
    pages = [await opened(browser, path) for path in ("/newsletter", "/newsletter/sequences", PATH)]
    assert all(payload in text_of(pages[0]) for payload in PAYLOADS)
    assert all(payload in text_of(pages[1]) for payload in PAYLOADS)
    assert all(payload.lower() in text_of(pages[2]) for payload in PAYLOADS)
    links = re.findall(
        r'href="(/newsletter/(?:sequences/|suppressions/lift)[^"]+)"', "".join(pages)
    )
    assert len(set(links)) == 2 * len(PAYLOADS)
    pages += [await opened(browser, unescape(link)) for link in set(links)]
    assert [broken_by(page) for page in pages] == [[] for _ in pages]


async def test_what_grows_is_read_by_its_indexes(product: asyncpg.Connection[Any]) -> None:
    await sql.suppress_many(product, many=20_000, at=START)
    await sql.sync_many(product, many=20_000, at=START)
    await sql.provider(product, provider="brevo", at=START)
    await sql.contacts(product, provider="brevo", many=20_000, at=START)
    key = await sequence(product)
    await sql.enrol(product, sequence=key, many=20_000, done=10, status="active", at=START)
    await sql.analyze_them(product)
    middle = {"at": START - timedelta(seconds=1400), "email": "reader", "most": 51}
    for query, values in (
        (suppressions.sql.latest, middle),
        (suppressions.sql.latest, {"at": None, "email": None, "most": 51}),
        (suppressions.sql.from_address, {"begin": "reader1", "most": 51}),
        (suppressions.sql.in_force, {"cap": 100}),
        (sync.sql.log, {"most": 200, "most_bytes": 1000}),
        (sync.sql.providers, {"cap": 100}),
        (sequences.sql.active, {"cap": 100}),
        (sequences.sql.enrolled, {"id": key, "cap": 100}),
    ):
        plan = await explained(product, query, values)
        assert "Index" in plan, plan
        for table in ("suppressions", "sync_log", "contacts", "enrollments"):
            assert not re.search(rf"Seq Scan on \w*{table}", plan), plan
        # Sorting what was counted is well; sorting what is read for it is not.
        assert not re.search(r"->  (Incremental )?Sort\b(?=.*\bScan\b)", plan, re.DOTALL), plan
    plan = await explained(product, suppressions.sql.latest, middle)
    assert "Index Cond: ((created_at < " in plan or "Index Cond: (ROW(created_at, email) < " in plan


async def explained(product: Any, query: Any, values: dict[str, Any]) -> str:
    """The plan of a query, by way of the connection that it is called with."""

    class Explaining:
        def __init__(self) -> None:
            self.plan = ""

        async def fetch(self, text: str, *args: object) -> list[Any]:
            rows = await product.fetch(f"EXPLAIN {text}", *args)
            self.plan = "\n".join(row["QUERY PLAN"] for row in rows)
            return []

        async def fetchval(self, text: str, *args: object) -> None:
            await self.fetch(text, *args)

    explaining = Explaining()
    found = query(explaining, **values)
    if isinstance(found, AsyncIterator):
        assert [row async for row in found] == []
    else:
        await found
    return explaining.plan
