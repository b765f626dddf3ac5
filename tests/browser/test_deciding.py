"""Can the suggestions of a day be decided about in a browser, with nothing that axe minds?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from jobs.orchestration.publish import job as publish_job
from tests.browser.looking import OpenLooker
from tests.support.agents import Bench, bench_on
from tests.support.machine import START
from tests.web.site import OpenSite


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
