"""Who did what, when, from where and why."""

from __future__ import annotations

from aiohttp import web

from scheduler.web.auth import Access
from scheduler.web.keys import DAEMON
from scheduler.web.paging import BEFORE, LIMIT, page_asked
from scheduler.web.route import Route
from scheduler.web.views import activity_view


async def activity(request: web.Request) -> web.Response:
    page = page_asked(request, {})
    rows = await request.app[DAEMON].activity.recent(before=page.before, most=page.most)
    return page.answer(rows, activity_view, lambda row: row.id)


ROUTES = (
    Route(
        "GET",
        "/api/v1/activity",
        Access.ADMIN,
        activity,
        "Every change made through API or command, newest first",
        {200: "Activities"},
        query={"limit": LIMIT, "before": BEFORE},
    ),
)
