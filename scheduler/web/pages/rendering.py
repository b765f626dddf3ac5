"""How does a page become HTML? Templates, made ready when the first page is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from scheduler.web import words
from scheduler.web.keys import DAEMON
from scheduler.web.pages import all_pages
from scheduler.web.pages.assets import address
from scheduler.web.sessions import FLASH, SESSION, Session

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent.parent / "templates"

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Within the site: with less, browsers hide where a form was sent from, which is checked.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "form-action 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Templates:
    """All templates of the pages. `now` is the daemon's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._environment: Environment | None = None
        self._making = asyncio.Lock()

    async def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Not on the loop's thread: a long page must not make a fire late."""
        if self._environment is None:
            async with self._making:
                self._environment = await asyncio.to_thread(self._make)
        found = self._environment.get_template(template)
        values = {"now": self._now(), **context}
        return await asyncio.to_thread(found.render, values)

    def _make(self) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(FOLDER),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            enable_async=False,
        )
        environment.filters.update(
            relative=words.relative,
            exact=words.exact,
            duration=words.duration,
            number=words.number,
            percent=words.percent,
            plural=words.plural,
            sentence=words.sentence,
            words=words.words,
        )
        environment.globals["asset"] = address
        environment.globals["menu"] = [(page.path, page.menu) for page in all_pages() if page.menu]
        for name in environment.list_templates():
            environment.get_template(name)
        return environment


TEMPLATES = web.AppKey("templates", Templates)


async def render(
    request: web.Request,
    template: str,
    *,
    part: str | None = None,
    status: int = 200,
    **values: Any,
) -> web.Response:
    """The page, with what was said before a redirect; or only the part that htmx fetches anew.

    `part` is the template of what stands in the page as `<div id="live">` or the like.
    """
    session = request.get(SESSION)
    context: dict[str, Any] = {
        **values,
        "csrf": session.csrf if session else "",
        "here": request.path,
        "session": session,
        "daemon_version": request.app[DAEMON].version,
        "flash": None,
    }
    templates = request.app[TEMPLATES]
    if part is not None and request.headers.get("HX-Request") == "true":
        return page_response(await templates.render(part, context), status)
    context["flash"] = _flash(request, session)
    response = page_response(await templates.render(template, context), status)
    if FLASH in request.cookies:
        response.del_cookie(FLASH, path="/", httponly=True, samesite="Strict")
    return response


def page_response(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS
    )


def _flash(request: web.Request, session: Session | None) -> Any:
    sealed = request.cookies.get(FLASH)
    return session.opened(sealed) if session and sealed else None
