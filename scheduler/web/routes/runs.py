"""The history of runs, one run with its log, and stopping one."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from scheduler.db.runs import Run
from scheduler.run import Status, Trigger
from scheduler.web.answers import Refusal, answer
from scheduler.web.auth import Access
from scheduler.web.bodies import ReasonBody, body_asked
from scheduler.web.deeds import cancel_run
from scheduler.web.keys import DAEMON
from scheduler.web.paging import BEFORE, LIMIT, page_asked
from scheduler.web.route import Route
from scheduler.web.views import attempt_view, log_view, run_view

STATUSES = [str(status) for status in Status]
TRIGGERS = [str(trigger) for trigger in Trigger]


async def run_asked(request: web.Request) -> Run:
    """The run of the path's id. Raises a 404."""
    try:
        run_id = UUID(request.match_info["id"])
    except ValueError:
        raise Refusal(404, "there is no such run") from None
    run = await request.app[DAEMON].runner.store.get(run_id)
    if run is None:
        raise Refusal(404, "there is no such run")
    return run


async def history(request: web.Request) -> web.Response:
    page = page_asked(request, {"job": None, "status": STATUSES, "trigger": TRIGGERS})
    found = await request.app[DAEMON].glance.runs(
        job=page.filters.get("job"),
        status=page.filters.get("status"),
        trigger=page.filters.get("trigger"),
        before=page.before,
        most=page.limit,
    )
    items = [run_view(run) for run in found.items]
    return answer({"items": items, "next": str(found.next) if found.next else None})


async def single(request: web.Request) -> web.Response:
    store = request.app[DAEMON].runner.store
    run = await run_asked(request)
    return answer(
        {
            **run_view(run),
            "attempts": [attempt_view(attempt) for attempt in await store.attempts(run.id)],
            "log": [log_view(line) for line in await store.log_lines(run.id)],
        }
    )


async def cancel(request: web.Request) -> web.Response:
    """200 where it has ended by that, 202 while it is still ending."""
    body = await body_asked(request, ReasonBody)
    await cancel_run(request, await run_asked(request), body.reason)
    now = await run_asked(request)
    return answer(run_view(now), status=200 if now.status.is_final else 202)


ROUTES = (
    Route(
        "GET",
        "/api/v1/runs",
        Access.ADMIN,
        history,
        "Runs, newest first",
        {200: "Runs"},
        query={
            "job": {"type": "string"},
            "status": {"type": "string", "enum": STATUSES},
            "trigger": {"type": "string", "enum": TRIGGERS},
            "limit": LIMIT,
            "before": BEFORE,
        },
    ),
    Route(
        "GET",
        "/api/v1/runs/{id}",
        Access.ADMIN,
        single,
        "One run with its attempts and its log",
        {200: "SingleRun"},
    ),
    Route(
        "POST",
        "/api/v1/runs/{id}/cancel",
        Access.ADMIN,
        cancel,
        "Stop a run",
        {200: "Run", 202: "Run"},
        body=ReasonBody,
    ),
)
