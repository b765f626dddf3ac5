"""The overview: did the night go well, and what comes next?"""

from __future__ import annotations

from aiohttp import web

from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.rendering import render


async def overview(request: web.Request) -> web.StreamResponse:
    report = await request.app[DAEMON].health.report()
    return await render(request, "overview/page.html", part="overview/live.html", report=report)


ROUTES = page("/", overview, menu="Overview")
