"""The product's funnels: who goes through, and where people are lost."""

from __future__ import annotations

from aiohttp import web

from scheduler.db.product_pages import funnels as store
from scheduler.web.answers import Refusal
from scheduler.web.charts import Step, funnel
from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import Listing, Reader, slug_asked, work_of
from scheduler.web.pages.rendering import render
from scheduler.web.words import duration

PATH = "/analytics/funnels"
WORK = "compute-funnels"

LISTED = Listing(PATH, "analytics/funnels.html", WORK, store.NEEDS, store.listed)


async def single(request: web.Request) -> web.StreamResponse:
    slug, key = slug_asked(request, "funnel")
    reader = await Reader.of(request)
    part = await reader.part(store.NEEDS, lambda c: store.single(c, slug, key))
    found = part.value
    if part.has_nothing:
        raise Refusal(404, "there is no such funnel")
    return await render(
        request,
        "analytics/funnel.html",
        funnel=part,
        one=found,
        chart=_chart(found) if found and found.steps else None,
        is_changed=found is not None
        and bool(found.steps)
        and bool(found.defined)
        and [step.name for step in found.steps] != list(found.defined),
        work=work_of(request.app[DAEMON], WORK),
    )


def _chart(found: store.Funnel) -> object:
    steps = [
        Step(
            step.name,
            step.people,
            "" if step.median is None else f"half within {duration(step.median)}",
        )
        for step in found.steps
    ]
    return funnel("Who gets how far", steps)


ROUTES = (*page(PATH, LISTED.shown), *page(PATH + "/{slug:.+}", single))
