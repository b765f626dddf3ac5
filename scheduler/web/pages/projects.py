"""The projects: which repository, when it was last read, how fast it moves, what waits."""

from __future__ import annotations

from aiohttp import web

from agents import standing
from scheduler.web.desk import at_desk
from scheduler.web.pages.listing import address, filters_asked, id_given
from scheduler.web.pages.page import page
from scheduler.web.pages.rendering import render

PATH = "/projects"
MOST = 50


async def projects(request: web.Request) -> web.StreamResponse:
    after = id_given(filters_asked(request, "after"), "after")
    async with at_desk(request) as (desk, connection):
        why_none = standing.why_none(desk.tables)
        found = await standing.standings(connection, desk.tables, after=after, most=MOST + 1)
        quotas = await standing.quotas(connection)
    shown = found[:MOST]
    return await render(
        request,
        "projects/page.html",
        projects=shown,
        why_none=why_none,
        quotas=quotas,
        most_waiting=standing.MOST_WAITING,
        more=address(PATH, {}, after=shown[-1].id) if len(found) > MOST else None,
        first=PATH if after else None,
    )


ROUTES = page(PATH, projects, menu="Projects")
