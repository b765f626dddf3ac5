"""Can an operator do the day's work in a browser: log in, run, watch, pause; and by keyboard?"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Request, Route

from scheduler.entry import Retry
from scheduler.job import Done, JobContext, Outcome
from scheduler.web.sessions import LASTS
from tests.browser.looking import Looker, OpenLooker
from tests.support.machine import NoParams, Stage
from tests.web.site import CountParams, OpenSite, Site, scheduled

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


async def _fail(_ctx: JobContext, _params: NoParams) -> Outcome:
    raise RuntimeError(HOSTILE)


async def busy_site(site: OpenSite, stage: Stage | None = None) -> Site:
    """With some history: runs that went well, one that failed, a pause, and hostile texts."""
    entries = [
        scheduled("count", params=CountParams(), cron="0 2 * * *"),
        scheduled("nightly/count", job="count", params=CountParams(days=7), cron="0 2 * * *"),
        scheduled("broken", cron="*/30 * * * *", retry=Retry(attempts=1)),
        scheduled("slow", cron="0 3 * * *"),
    ]
    one = await site({"broken": _fail, "slow": stage or Stage()}, entries=entries)
    for n in range(3):
        await one.work(f"count?days={n + 1}")
    await one.work("broken")
    body = {"reason": HOSTILE}
    assert (await one.admin("/api/v1/jobs/broken/pause", "POST", json=body)).status == 200
    assert (await one.admin("/api/v1/jobs/count/trigger", "POST", json=body)).status == 200
    return one


async def all_paths(one: Site) -> list[str]:
    """Every page of the operator, with something on it."""
    runs = (await one.admin("/api/v1/runs?status=failed")).body["items"]
    return [
        *("/", "/jobs/count", "/jobs/nightly/count", "/jobs/count/trigger", "/jobs/count/pause"),
        *("/runs", "/runs?status=missed", f"/runs/{runs[0]['id']}", "/activity", "/nowhere"),
    ]


async def test_logging_in(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.page.goto("/runs")
    assert await one.page.evaluate("document.activeElement.id") == "secret"
    await one.page.keyboard.type("wrong")
    await one.page.keyboard.press("Enter")
    await one.page.wait_for_selector("text=That is not the secret.")
    assert await one.page.input_value("[name=next]") == "/runs"
    await one.log_in("/runs")
    assert await one.page.inner_text("h1") == "Runs"
    assert await one.page.evaluate("document.cookie") == ""
    await one.page.click("text=Log out")
    await one.page.wait_for_url("**/login")
    await one.page.goto("/runs")
    assert "/login" in one.page.url


async def test_running_a_job_and_watching_it_end(site: OpenSite, look: OpenLooker) -> None:
    stage = Stage(Done({"changed": 1234}))
    one = await look(await site({"slow": stage}))
    await one.log_in()
    await one.page.click('[id="run:slow"]')
    await one.page.wait_for_selector("dialog[open] >> text=Run slow")
    assert await one.page.evaluate("document.activeElement.id") == "trigger-reason"
    await one.page.keyboard.type("a customer asked")
    await one.page.keyboard.press("Enter")
    await one.page.wait_for_url("**/runs/*")
    assert "slow was started." in await one.text()
    await stage.begin()
    stage.starts[0].log.info("half_way", text=HOSTILE)
    stage.starts[0].progress(5, 10)
    await one.page.wait_for_selector("text=half way")
    await one.page.wait_for_selector("text=5 of 10")
    stage.may_end.set()
    await one.page.wait_for_selector("text=1,234")
    assert "a customer asked" in await one.text()
    await one.page.click("text=Run again")
    await one.page.wait_for_selector("text=slow was started again.")


async def test_a_form_with_parameters_in_the_dialog(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    await one.page.click('[id="run:count"]')
    await one.page.fill('[id="p.days"]', "12")
    await one.page.click("dialog >> text=Dry run")
    await one.page.wait_for_url("**/runs/*")
    [run] = await one.site.machine.record()
    assert (run.params["days"], run.params["dry_run"]) == (12, True)


async def test_pausing_and_resuming(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    await one.page.click('[id="pause:count"]')
    await one.page.fill("#pause-reason", "maintenance")
    await one.page.select_option("#lasting", "6h")
    await one.page.click("dialog >> button:has-text('Pause')")
    await one.page.wait_for_selector("text=count is paused until")
    await one.page.wait_for_selector("text=Paused: maintenance")
    await one.page.click('[id="resume:count"]')
    await one.page.wait_for_selector("text=count is on the clock again.")
    assert dict(one.site.daemon.clock.pauses) == {}


async def test_a_dialog_is_closed_and_the_page_stays(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    for close in ("Escape", "button"):
        await one.page.click('[id="run:count"]')
        await one.page.wait_for_selector("dialog[open]")
        if close == "Escape":
            await one.page.keyboard.press("Escape")
        else:
            await one.page.click("dialog >> text=Close")
        await one.page.wait_for_selector("dialog", state="hidden")
    assert one.page.url.endswith(f":{one.site.port}/")


async def _refreshed(one: Looker) -> None:
    async with one.page.expect_response(
        lambda response: response.request.headers.get("hx-request") == "true"
    ):
        pass
    await one.page.wait_for_selector(".htmx-request", state="detached")


async def test_a_refresh_takes_neither_focus_nor_what_is_open(
    site: OpenSite, look: OpenLooker
) -> None:
    entries = [scheduled("count", params=CountParams(), cron="0 * * * *")]
    one = await look(await site(entries=entries))
    await one.log_in()
    await one.page.click("summary:has-text('As a table')")
    await one.page.focus('[id="run:count"]')
    await one.site.work("count")
    await _refreshed(one)
    await one.page.wait_for_selector('[id="last:count"]')
    assert await one.page.evaluate("document.activeElement.id") == "run:count"
    assert await one.page.is_visible("table:has-text('In the same minute')")
    await one.page.keyboard.press("Enter")
    await one.page.fill("dialog #trigger-reason", "half a sen")
    await _refreshed(one)
    assert await one.page.input_value("dialog #trigger-reason") == "half a sen"
    assert await one.page.is_visible("dialog[open]")
    await one.page.keyboard.press("Escape")
    await one.page.wait_for_selector('[id="run:count"]:focus')


async def test_a_form_that_cannot_be_fetched_says_why_on_a_page(
    site: OpenSite, look: OpenLooker
) -> None:
    one = await look(await site())
    await one.log_in()

    async def refuse(route: Route, request: Request) -> None:
        await (route.fulfill(status=404) if "hx-request" in request.headers else route.continue_())

    await one.page.route("**/jobs/count/trigger", refuse)
    await one.page.click('[id="run:count"]')
    await one.page.wait_for_url("**/jobs/count/trigger")
    [told] = one.wrong
    assert "404 from /jobs/count/trigger" in told
    one.wrong.clear()


async def test_when_the_session_ends_the_page_goes_to_the_login(
    site: OpenSite, look: OpenLooker
) -> None:
    one = await look(await site())
    await one.log_in()
    one.site.time.move(seconds=LASTS.total_seconds() + 1)
    await one.page.wait_for_url("**/login", timeout=20_000)


async def test_times_are_told_in_the_viewers_zone_and_in_utc(
    site: OpenSite, look: OpenLooker
) -> None:
    site_ = await site()
    run = (await site_.work("count")).body["runId"]
    one = await look(site_, timezone_id="Asia/Tokyo", locale="en-GB")
    await one.log_in(f"/runs/{run}")
    await one.page.wait_for_selector("time[title*='GMT+9']")
    title = await one.page.get_attribute("time[title*='GMT+9']", "title") or ""
    assert "10 Mar 2026, 21:00:00" in title


async def test_everything_works_without_scripts(site: OpenSite, look: OpenLooker) -> None:
    stage = Stage()
    one = await look(await busy_site(site, stage), java_script_enabled=False)
    await one.log_in()
    page = one.page
    for path in await all_paths(one.site):
        await page.goto(path)
        assert await page.inner_text("h1")
    await page.goto("/")
    await page.click('[id="run:slow"]')
    await page.fill("#trigger-reason", "by hand")
    await page.click("main >> button:has-text('Run now')")
    assert "slow was started." in await one.text()
    await stage.begin()
    await page.click("summary:has-text('Cancel')")
    await page.fill("#reason", "enough")
    await page.click("text=Cancel it")
    assert "It was told to stop." in await one.text()
    await page.goto("/jobs/count/pause")
    await page.fill("#until", "2026-03-11T06:00")
    await page.click("main >> button:has-text('Pause')")
    assert "count is paused until 2026-03-11 06:00 UTC." in await one.text()
    await page.click('[id="resume:count"]')
    assert "count is on the clock again." in await one.text()
    await page.goto("/jobs/count/trigger")
    await page.fill('[id="p.note"]', "short enough")
    await page.click("main >> button:has-text('Run now')")
    assert "count was started." in await one.text()
    await page.goto("/runs")
    await page.select_option("#status", "failed")
    await page.click("button:has-text('Filter')")
    assert "status=failed" in page.url
    await page.click("text=Log out")
    assert page.url.endswith("/login")


async def test_nothing_is_wider_than_a_phone(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await busy_site(site), viewport={"width": 360, "height": 740})
    await one.log_in()
    for path in await all_paths(one.site):
        await one.page.goto(path)
        assert await one.width() <= 360, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(site: OpenSite, look: OpenLooker, scheme: str) -> None:
    one = await look(await busy_site(site), color_scheme=scheme, reduced_motion="reduce")
    await one.page.goto("/login")
    assert await one.serious() == []
    await one.log_in()
    paper = await one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 22, 26)") is (scheme == "dark")
    found: dict[str, Any] = {}
    for path in await all_paths(one.site):
        await one.page.goto(path)
        await one.page.evaluate(
            "document.querySelectorAll('details').forEach((d) => d.open = true)"
        )
        if serious := await one.serious():
            found[path] = serious
    await one.page.goto("/")
    await one.page.click('[id="run:count"]')
    await one.page.wait_for_selector("dialog[open]")
    if serious := await one.serious():
        found["dialog"] = serious
    assert found == {}


async def test_the_keyboard_finds_the_content_first(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    await one.page.keyboard.press("Tab")
    assert await one.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await one.page.keyboard.press("Enter")
    assert await one.page.evaluate("document.activeElement.id") == "main"


async def test_a_daemon_that_is_gone_is_said_in_the_page(site: OpenSite, look: OpenLooker) -> None:
    one = await look(await site())
    await one.log_in()
    await one.context.set_offline(True)
    await one.page.wait_for_selector("text=not refreshed")
    await one.context.set_offline(False)
    await one.page.wait_for_selector("text=not refreshed", state="detached")
    expected = ("ERR_INTERNET_DISCONNECTED", "htmx:")
    one.wrong = [text for text in one.wrong if not any(part in text for part in expected)]
