"""Can the suggestions of a day be decided about in a browser, with nothing that axe minds?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from jobs.orchestration.publish import job as publish_job
from scheduler.web.sessions import LASTS
from tests.browser.looking import OpenLooker
from tests.support.agents import Bench, bench_on
from tests.support.machine import START
from tests.web.site import ADMIN, OpenSite


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    async with bench_on(database) as made:
        made.now = START
        yield made


async def test_deciding_about_suggestions(site: OpenSite, look: OpenLooker, bench: Bench) -> None:
    made = await bench.one("Write the next release down", "release:v1", kind="chore")
    for n in range(2):
        await bench.one(f"Matter number {n} of two", f"issue:{n}")
    one = await look(await site({"orchestration/publish": publish_job}))
    await one.log_in("/suggestions")
    for title in ("number 0", "number 1"):
        await one.page.check(f"tr:has-text('{title}') >> input[type=checkbox]")
    await one.page.fill("#reason", "not now")
    await one.page.click("#reject-many")
    await one.page.wait_for_selector("text=2 suggestions rejected.")
    await one.page.click("a:has-text('Write the next release down')")
    await one.page.click("#approve")
    await one.page.wait_for_selector("text=Approved. It can be published now.")
    await one.page.click("#publish")
    await one.page.wait_for_selector("text=Published.")
    assert (await bench.row(made))["status"] == "published"
    for path in ("/suggestions?status=all", f"/suggestions/{made}", "/agents", "/projects"):
        await one.page.goto(path)
        assert await one.serious() == [], path
    await one.page.goto(f"/projects/{bench.project}")
    await one.page.click("#agent-tester summary")
    assert await one.serious() == []
    await one.page.fill("#tester-frequency_hours", "48")
    await one.page.click("#agent-tester button.main")
    await one.page.wait_for_selector("text=frequency hours set.")


async def test_all_of_a_page_are_chosen_at_once(
    site: OpenSite, look: OpenLooker, bench: Bench
) -> None:
    for n in range(3):
        await bench.one(f"Matter number {n} of three", f"issue:{n}")
    one = await look(await site())
    await one.log_in("/suggestions")
    await one.page.click("text=Choose all on this page")
    await one.page.click("#reject-many")
    await one.page.wait_for_selector("text=3 suggestions rejected.")


@pytest.mark.parametrize("first", ["", "No"])
async def test_what_was_written_when_the_session_ended_is_not_lost(
    site: OpenSite, look: OpenLooker, bench: Bench, first: str
) -> None:
    made = await bench.one()
    one = await look(await site())
    await one.log_in(f"/suggestions/{made}")
    await one.page.click("#edit summary")
    if first:
        # A page that answers a form which was not taken has the form as well.
        await one.page.evaluate("document.querySelector('#edit form').noValidate = true")
        await one.page.fill("#title", first)
        await one.page.click("#save")
        await one.page.wait_for_selector("text=Not changed")
    await one.page.fill("#title", "Words of my own")
    await one.page.fill("#body", "A long text that took me half an hour to write.")
    one.site.time.move(seconds=LASTS.total_seconds() + 1)
    await one.page.click("#save")
    await one.page.wait_for_selector("text=stands in its form again")
    await one.page.fill("#secret", ADMIN)
    await one.page.click("main button")
    await one.page.wait_for_selector("#body >> visible=true")
    assert await one.page.input_value("#body") == "A long text that took me half an hour to write."
    await one.page.click("#save")
    await one.page.wait_for_selector("text=Changed. An approval now is for these words.")
    assert (await bench.row(made))["title"] == "Words of my own"
    await one.page.goto(f"/suggestions/{made}")
    assert await one.page.evaluate("sessionStorage.getItem('draft')") is None


async def test_on_a_phone_a_card_belongs_to_its_suggestion(
    site: OpenSite, look: OpenLooker, bench: Bench
) -> None:
    await bench.one("Write the next release down" + "x" * 100, "release:v1", kind="chore")
    one = await look(await site(), viewport={"width": 360, "height": 740})
    await one.log_in("/suggestions")
    box = await one.page.locator("td.pick input").bounding_box()
    title = await one.page.locator("td.full a").bounding_box()
    assert box
    assert title
    assert title["x"] - box["x"] < 60
    assert abs(title["y"] - box["y"]) < 20
    for link in await one.page.locator("nav[aria-label=Pages] a").all():
        place = await link.bounding_box()
        assert place
        assert place["x"] + place["width"] <= 360
    assert await one.width() <= 360
