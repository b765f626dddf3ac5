"""A headless Chromium on a site. Without one on this machine the tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.looking import Looker, OpenLooker
from tests.web.conftest import session, site
from tests.web.site import Site

__all__ = ("session", "site")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        reason = f"no Chromium: none of {', '.join(NAMES)} is there (Debian: apt install chromium)"
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def look(chromium: Browser) -> AsyncIterator[OpenLooker]:
    """Open a site in a window; at the end of the test, nothing in it may have gone wrong."""
    opened: list[Looker] = []

    async def start(one: Site, **options: object) -> Looker:
        made = await Looker.open(chromium, one, **options)
        opened.append(made)
        return made

    yield start
    for looker in opened:
        await looker.context.close()
        assert looker.wrong == []
