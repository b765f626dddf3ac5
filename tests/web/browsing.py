"""How does a test use the pages as a browser would: with cookies, forms and no bearer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from tests.web.site import ADMIN, Answer, Site

CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Browser:
    """One person's browser on a site. It follows no redirect by itself."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        path: str,
        method: str = "GET",
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        own = {"Accept": "text/html,*/*"}
        if method == "POST":
            own["Origin"] = f"http://127.0.0.1:{self.site.port}"
        if self.cookies:
            own["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.site.call(
            path,
            method,
            secret=None,
            headers={**own, **(headers or {})},
            allow_redirects=False,
            **options,
        )
        self._keep(answer)
        return answer

    async def log_in(self, secret: str = ADMIN, **options: Any) -> Answer:
        return await self.call("/login", "POST", data={"secret": secret, "next": "/"}, **options)

    async def page(self, path: str, **options: Any) -> str:
        """The text of a page that is there."""
        answer = await self.call(path, **options)
        assert answer.status == 200, (path, answer.status, answer.text)
        return answer.text

    async def csrf(self) -> str:
        found = CSRF.search(await self.page("/"))
        assert found
        return found[1]

    async def send(
        self, path: str, fields: Mapping[str, str | Sequence[str]] | None = None, **options: Any
    ) -> Answer:
        """Send a form with its token."""
        pairs = [("csrf", await self.csrf())]
        for name, value in (fields or {}).items():
            pairs += [(name, one) for one in ([value] if isinstance(value, str) else value)]
        return await self.call(path, "POST", data=pairs, **options)

    async def said(self, path: str) -> str:
        """What a page says was done."""
        found = re.search(r'<p class="flash \w+" role="status">(.*?)</p>', await self.page(path))
        return unescape(found[1]) if found else ""

    def _keep(self, answer: Answer) -> None:
        for line in answer.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value.strip('"')


async def logged_in(site: Site) -> Browser:
    browser = Browser(site)
    answer = await browser.log_in()
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    return browser
