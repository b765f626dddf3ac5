"""The product's segments by size."""

from __future__ import annotations

from aiohttp import web

from scheduler.db.product_pages import segments as store
from scheduler.web.charts import Rank, ranks
from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import MOST_LISTED, Reader, after_asked, after_link, work_of
from scheduler.web.pages.rendering import render
from scheduler.web.words import exact

PATH = "/analytics/segments"


async def listed(request: web.Request) -> web.StreamResponse:
    after = after_asked(request)
    reader = await Reader.of(request)
    part = await reader.part(store.NEEDS, lambda c: store.listed(c, after, MOST_LISTED + 1))
    found = part.value or []
    shown = found[:MOST_LISTED]
    things = [
        Rank(
            one.name,
            one.members if one.computed_at else None,
            exact(one.computed_at) if one.computed_at else "never computed",
        )
        for one in sorted(shown, key=lambda one: (one.computed_at is None, -one.members, one.slug))
    ]
    return await render(
        request,
        "analytics/segments.html",
        segments=part,
        shown=shown,
        chart=ranks("Members", things, ("Segment", "Members", "Computed")) if things else None,
        more=after_link(PATH, [one.slug for one in found]),
        first=PATH if after is not None else None,
        work=work_of(request.app[DAEMON], "update-segments"),
    )


ROUTES = page(PATH, listed)
