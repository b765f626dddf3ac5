"""How does a test look at a page: as somebody in front of a browser, and with what axe finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Browser, BrowserContext, Page

from tests.web.site import ADMIN, Site

AXE = (Path(__file__).parent / "axe" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
PATIENCE = 10_000
"""Milliseconds that something may take to appear."""

FIND = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => [found.id, found.nodes.map((node) => node.html).slice(0, 5)])"""
VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""


@dataclass
class Looker:
    """One window on a site."""

    site: Site
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)
    """What the console complained of: errors of scripts, breaches of the policy, missing files."""

    @classmethod
    async def open(cls, browser: Browser, site: Site, **options: Any) -> Looker:
        context = await browser.new_context(
            base_url=f"http://127.0.0.1:{site.port}",
            **{"viewport": {"width": 1280, "height": 900}, **options},
        )
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        looker = cls(site, context, page)
        page.on("console", lambda said: looker._hear(said.type, said.text))
        page.on("pageerror", lambda error: looker._hear("error", str(error)))
        page.on("dialog", lambda _: looker._hear("error", "a dialog of a script opened"))
        await page.add_init_script(VIOLATIONS)
        return looker

    def _hear(self, kind: str, text: str) -> None:
        # What a form answers with 401 or 422 is logged as an error too.
        if kind == "error" and "the server responded with a status of 4" not in text:
            self.wrong.append(text)

    async def log_in(self, following: str = "/") -> None:
        await self.page.goto(f"/login?next={following}")
        await self.page.fill("#secret", ADMIN)
        await self.page.click("text=Log in >> visible=true")
        await self.page.wait_for_url(f"**{following}")

    async def text(self) -> str:
        return await self.page.inner_text("main")

    async def serious(self) -> list[Any]:
        """What axe finds that is serious or worse on the page as it is now."""
        await self.page.evaluate(AXE)
        found: list[Any] = await self.page.evaluate(FIND)
        return found

    async def width(self) -> int:
        """Pixels that the page takes, whatever the window has."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth")
        return width


class OpenLooker(Protocol):
    async def __call__(self, one: Site, **options: Any) -> Looker: ...
