"""The product's cohorts: what became of those who came in one day, week or month."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from scheduler.db.product_pages import cohorts as store
from scheduler.db.product_pages.cohorts import Cohort, Group
from scheduler.db.product_pages.part import Part
from scheduler.job import Connection
from scheduler.web.answers import Refusal
from scheduler.web.body import read_query, refuse_unknown
from scheduler.web.charts import Gap, Heat, heat
from scheduler.web.charts.chart import Say
from scheduler.web.charts.heat import Value
from scheduler.web.keys import DAEMON, Daemon
from scheduler.web.pages.page import page
from scheduler.web.pages.parts import (
    Listing,
    Reader,
    entry_of,
    slug_asked,
    work_of,
)
from scheduler.web.pages.rendering import render
from scheduler.web.words import NOTHING, number, percent

PATH = "/analytics/cohorts"
WORK = "refresh-cohorts"
ROWS = 26
COLUMNS = 26
MOST_FROM = 10_000
PERIOD = {"day": "Day", "week": "Week", "month": "Month"}


LISTED = Listing(PATH, "analytics/cohorts.html", WORK, store.NEEDS, store.listed)


async def single(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    slug, key = slug_asked(request, "cohort")
    before, begin = _view(request)
    reader = await Reader.of(request)

    async def read(connection: Connection) -> tuple[Cohort, list[Group]] | None:
        one = await store.single(connection, slug, key)
        if one is None:
            return None
        return one, await store.groups(connection, one.id, before, ROWS + 1)

    part: Part[tuple[Cohort, list[Group]] | None] = await reader.part(store.NEEDS, read)
    if part.has_nothing:
        raise Refusal(404, "there is no such cohort")
    one, groups = part.value or (None, [])
    shown = groups[:ROWS]
    longest = max((len(group.values) for group in shown), default=0)
    here = request.rel_url.raw_path
    return await render(
        request,
        "analytics/cohort.html",
        cohort=part,
        one=one,
        groups=shown,
        heat=_heat(daemon, one, shown, begin) if one and shown else None,
        odd=[group for group in shown if group.odd],
        older=_link(request, shown[-1].key, begin) if len(groups) > ROWS else None,
        newest=here if before is not None else None,
        later=_link(request, before, begin + COLUMNS) if longest > begin + COLUMNS else None,
        earlier=_link(request, before, max(begin - COLUMNS, 0)) if begin else None,
        work=work_of(daemon, WORK),
    )


def _view(request: web.Request) -> tuple[str | None, int]:
    """Before which cohort, and from which period on."""
    query = read_query(request)
    before, text = query.pop("before", None), query.pop("from", "0")
    if query:
        refuse_unknown(query, "before, from")
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MOST_FROM):
        allowed = f"a whole number up to {MOST_FROM}"
        raise Refusal(422, f"from must be {allowed}", fields={"from": allowed})
    return before, int(text)


def _link(request: web.Request, before: str | None, begin: int) -> str:
    query = {"before": before} if before is not None else {}
    if begin:
        query["from"] = str(begin)
    return request.rel_url.raw_path + (f"?{urlencode(query)}" if query else "")


def _heat(daemon: Daemon, one: Cohort, groups: Sequence[Group], begin: int) -> Heat:
    say, what = _metric(daemon, one.metric)
    # In their own period people are there by definition: the later ones are what differs.
    later = [value for group in groups for value in group.values[1:] if value is not None]
    columns = max(min(max(len(group.values) for group in groups) - begin, COLUMNS), 0)
    word = PERIOD.get(one.granularity, "Period")
    return heat(
        what,
        (f"{word} of", "People", *(f"{word} {n + begin}" for n in range(columns))),
        [(group.key, _cells(group)[begin : begin + columns]) for group in groups],
        say=say,
        most=max(later, default=None),
        before=[NOTHING if group.size is None else number(group.size) for group in groups],
    )


def _cells(group: Group) -> list[Value]:
    """What is not known is told apart from what is not over."""
    return [
        value if value is not None else Gap.RUNNING if n >= group.complete else Gap.UNKNOWN
        for n, value in enumerate(group.values)
    ]


def _metric(daemon: Daemon, metric: str) -> tuple[Say, str]:
    """How its numbers read, and what they are."""
    match metric:
        case "retention":
            return _share, "Who came back, of those who joined"
        case "revenue":
            entry = entry_of(daemon, WORK)
            currency = str(getattr(entry.params, "currency", "usd") if entry else "usd").upper()
            return _money, f"Revenue, {currency}"
        case "generations":
            return number, "Generations"
        case "engagement":
            return partial(number, digits=1), "Events for each active person"
        case _:
            return number, "Values"


def _share(value: float | None) -> str:
    return percent(None if value is None else value / 100)


def _money(cents: float | None) -> str:
    return number(None if cents is None else round(cents / 100))


ROUTES = (*page(PATH, LISTED.shown), *page(PATH + "/{slug:.+}", single))
