"""The history of runs, and one run as it goes: log, progress, result; stopping it, repeating it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from yarl import URL

from scheduler.db.runs import Run
from scheduler.job import Asking
from scheduler.run import Status, Trigger
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON, params_of
from scheduler.web.deeds import cancel_run
from scheduler.web.keys import DAEMON
from scheduler.web.launch import Wish, begin
from scheduler.web.named import all_names, entry_called
from scheduler.web.pages.listing import filters_asked
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render
from scheduler.web.pages.results import main_count, told
from scheduler.web.paging import MAX_CURSOR
from scheduler.web.routes.runs import run_asked
from scheduler.web.words import words

PAGE = 40
LOG_LINES = 75
MOST_JSON = 6_000
"""Characters of a result that a page shows; the API has the whole."""
TRIGGERS = {
    Trigger.SCHEDULE: "the clock",
    Trigger.CATCH_UP: "the clock, after downtime",
    Trigger.HTTP: "a worker route",
    Trigger.ADMIN: "an operator",
    Trigger.CLI: "the command line",
    Trigger.RESCUE: "another daemon's end",
}


async def runs(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    job = filters_asked(request, "job").get("job")
    names = list(all_names(daemon))
    return await render(
        request,
        "runs/list.html",
        job=job or "",
        names=names if job is None or job in names else [job, *names],
        **await history_view(request, "/runs", job=job),
    )


async def history_view(request: web.Request, path: str, *, job: str | None) -> dict[str, Any]:
    """A page of the history by the query's filters, for the template `runs/table.html`."""
    query = request.query
    status = query.get("status") if query.get("status") in set(Status) else None
    trigger = query.get("trigger") if query.get("trigger") in set(Trigger) else None
    before = cursor_asked(request)
    found = await request.app[DAEMON].glance.runs(
        job=job, status=status, trigger=trigger, before=before, most=PAGE
    )
    filters = {"status": status or "", "trigger": trigger or ""}
    if path == "/runs":
        filters["job"] = job or ""
    kept = {name: value for name, value in filters.items() if value}
    return {
        "runs": [(run, main_count(_numbers(run))) for run in found.items],
        "filters": filters,
        "is_filtered": bool(kept),
        "statuses": [("", "any"), *((str(one), words(one)) for one in Status)],
        "triggers": [("", "anything"), *((str(one), text) for one, text in TRIGGERS.items())],
        "started_by": TRIGGERS,
        "path": path,
        "older": str(URL(path).with_query({**kept, "before": found.next})) if found.next else None,
        "newest": str(URL(path).with_query(kept)) if before else None,
    }


async def run(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    one = await run_asked(request)
    mark = f"{one.status}.{one.attempt}.{one.progress_done}.{await daemon.glance.log_end(one.id)}"
    is_htmx = request.headers.get("HX-Request") == "true"
    if is_htmx and one.status.is_final:
        # It has ended: the page shows the end, and asks no more.
        return web.Response(status=204, headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
    if is_htmx and request.query.get("mark") == mark:
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    before = cursor_asked(request)
    log = await daemon.glance.log_tail(one.id, before=before, most=LOG_LINES)
    return await render(
        request,
        "runs/page.html",
        part="runs/live.html",
        run=one,
        mark=mark,
        attempts=(await daemon.runner.store.attempts(one.id))[-20:],
        log=log.items,
        older=f"/runs/{one.id}?before={log.next}#log" if log.next else None,
        newest=f"/runs/{one.id}#log" if before else None,
        started_by=TRIGGERS[Trigger(one.trigger)],
        params=one.params,
        data=_shown(one.data) if one.data else None,
        figures=_figures(one),
        is_known=one.job in set(all_names(daemon)),
        most_reason=MAX_REASON,
    )


async def cancel(request: web.Request, form: Form) -> web.StreamResponse:
    one = await run_asked(request)
    there = f"/runs/{one.id}"
    reason = (form.text("reason") or "")[:MAX_REASON] or None
    try:
        await cancel_run(request, one, reason)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return done(request, there, f"Not cancelled: {refusal.error}.", good=False)
    return done(request, there, "It was told to stop.")


async def repeat(request: web.Request, form: Form) -> web.StreamResponse:
    """Once more, with the same parameters, for now."""
    daemon, one = request.app[DAEMON], await run_asked(request)
    entry = entry_called(daemon, one.job)
    given = {} if type(entry.params).from_file_alone else one.params
    asked = params_of(entry.params, {}, given, Asking(daemon.now(), entry.timezone))
    reason = form.text("reason") or f"again, as run {one.id}"
    wish = Wish(wait=0, reason=reason, idempotency_key=None, runs_at="/runs/")
    try:
        run_id = await begin(request, entry, asked, Trigger.ADMIN, wish)
    except Refusal as refusal:
        if refusal.status != 409 or refusal.run_id is None:
            raise
        said = f"{entry.name} is running already: this is that run."
        return done(request, f"/runs/{refusal.run_id}", said, good=False)
    return done(request, f"/runs/{run_id}", f"{entry.name} was started again.")


def cursor_asked(request: web.Request) -> int | None:
    """`?before=`; anything odd is the newest page."""
    text = request.query.get("before", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return int(text) if 1 <= int(text) <= MAX_CURSOR else None


def _numbers(one: Run) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in (one.data or {}).items():
        if isinstance(value, list):
            numbers[name] = len(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[name] = value
    return numbers


def _figures(one: Run) -> list[tuple[str, float]]:
    """The plain numbers of the result, for people."""
    return [
        (told(name, value), value)
        for name, value in sorted((one.data or {}).items())
        if isinstance(value, int | float) and not isinstance(value, bool)
    ][:24]


def _shown(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    if len(text) <= MOST_JSON:
        return text
    return text[:MOST_JSON] + f"\n… {len(text) - MOST_JSON:,} characters more, in the API"


ROUTES = (
    *page("/runs", runs, menu="Runs"),
    *page("/runs/{id}", run),
    change("/runs/{id}/cancel", cancel),
    change("/runs/{id}/repeat", repeat),
)
