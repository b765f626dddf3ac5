"""The product's sequences, with the people who stand before each step."""

from __future__ import annotations

from aiohttp import web

from scheduler.db.product_pages import sequences as store
from scheduler.db.product_pages.sequences import COUNTED, Course
from scheduler.web.answers import Refusal
from scheduler.web.charts import Chart, Rank, ranks
from scheduler.web.keys import DAEMON
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import Listing, Reader, slug_asked, work_of
from scheduler.web.pages.rendering import render

PATH = "/newsletter/sequences"
WORK = "process-sequences"
MOST = 20
"""Sequences on a page, each with its steps."""

LISTED = Listing(
    PATH,
    "newsletter/sequences.html",
    WORK,
    store.NEEDS,
    store.listed,
    MOST,
    lambda shown: {"is_capped": any(one.is_sample for one in shown), "counted": COUNTED},
)


async def single(request: web.Request) -> web.StreamResponse:
    slug, key = slug_asked(request, "sequence")
    reader = await Reader.of(request)
    part = await reader.part(store.NEEDS, lambda c: store.single(c, slug, key))
    one = part.value
    if part.has_nothing:
        raise Refusal(404, "there is no such sequence")
    return await render(
        request,
        "newsletter/sequence.html",
        sequence=part,
        one=one,
        chart=_chart(one) if one and one.steps else None,
        counted=COUNTED,
        work=work_of(request.app[DAEMON], WORK),
    )


def _chart(one: Course) -> Chart:
    title = "People before each step"
    if one.is_sample:
        title += f", of {COUNTED:,} enrolments"
    things = [
        Rank(f"{n}. {step.name}", step.waiting, step.action) for n, step in enumerate(one.steps, 1)
    ]
    return ranks(title, things, ("Step", "People", "Does"))


ROUTES = (*page(PATH, LISTED.shown), *page(PATH + "/{slug:.+}", single))
