"""The routes that run a job and answer with what it did; crontabs call them."""

from __future__ import annotations

from aiohttp import web

from scheduler.job import Asking
from scheduler.run import Trigger
from scheduler.web.answers import Refusal, answer
from scheduler.web.arguments import (
    KEY,
    REASON,
    WAIT,
    idempotency_key,
    params_of,
    take_reason,
    take_wait,
)
from scheduler.web.auth import Access
from scheduler.web.body import read_object, read_query, refuse_twice
from scheduler.web.keys import DAEMON
from scheduler.web.launch import Wish, launch
from scheduler.web.named import work_asked
from scheduler.web.route import Route
from scheduler.web.routes.runs import run_asked
from scheduler.web.views import run_view


async def work(request: web.Request) -> web.Response:
    """Query and body are the job's parameters; `wait` and `reason` in the query are ours."""
    entry, in_path = work_asked(request)
    query = read_query(request)
    wish = Wish(
        wait=take_wait(query),
        reason=take_reason(query),
        idempotency_key=idempotency_key(request.headers),
        runs_at="/api/v1/workers/runs/",
    )
    for name in in_path:
        if name in query:
            refuse_twice(name)
    body = await read_object(request)
    asking = Asking(request.app[DAEMON].now(), entry.timezone)
    asked = params_of(entry.params, {**query, **in_path}, body, asking)
    return await launch(request, entry, asked, Trigger.HTTP, wish)


async def run(request: web.Request) -> web.Response:
    """A run that a worker route began; the others, and the logs, are the admin API's."""
    found = await run_asked(request)
    if found.trigger != Trigger.HTTP:
        raise Refusal(404, "there is no such run of a worker route")
    return answer({"success": True, "data": run_view(found), "runId": str(found.id)})


def _work(method: str) -> Route:
    return Route(
        method,
        # What GET serves below it is no job to POST.
        "/api/v1/workers/{name:(?!health$|orchestration/health$|runs/).+}",
        Access.CRON,
        work,
        "Run the job and answer with what it did",
        {200: "WorkerAnswer", 202: "Accepted"},
        query={"wait": WAIT, "reason": REASON},
        headers={"Idempotency-Key": KEY},
        runs_job=True,
    )


ROUTES = (
    _work("GET"),
    _work("POST"),
    Route(
        "GET",
        "/api/v1/workers/runs/{id}",
        Access.CRON,
        run,
        "One run that a worker route began",
        {200: "WorkerRun"},
    ),
)
