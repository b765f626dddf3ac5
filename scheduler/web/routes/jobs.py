"""The jobs with their state, running one by hand, and pausing one for all daemons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from scheduler.entry import Entry
from scheduler.job import Asking
from scheduler.run import Trigger
from scheduler.watching.health import JobState
from scheduler.web.answers import answer
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
from scheduler.web.bodies import PauseBody, ReasonBody, TriggerBody, body_asked
from scheduler.web.body import read_query, refuse_twice, refuse_unknown
from scheduler.web.deeds import pause_job, resume_job
from scheduler.web.keys import DAEMON, Daemon
from scheduler.web.launch import Wish, launch
from scheduler.web.named import all_names, entry_asked, entry_called
from scheduler.web.route import Route
from scheduler.web.views import job_view


async def all_jobs(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    states = await daemon.health.job_states()
    items = [await _view(daemon, entry_called(daemon, name), states) for name in all_names(daemon)]
    return answer({"items": items, "next": None})


async def one_job(request: web.Request) -> web.Response:
    return await _shown(request, entry_asked(request))


async def trigger(request: web.Request) -> web.Response:
    entry = entry_asked(request)
    query = read_query(request)
    wait, reason = take_wait(query), take_reason(query)
    if query:
        refuse_unknown(query, "wait, reason; the job's parameters go into the body's params")
    body = await body_asked(request, TriggerBody)
    if reason is not None and body.reason is not None:
        refuse_twice("reason")
    wish = Wish(
        wait=wait,
        reason=body.reason or reason,
        idempotency_key=idempotency_key(request.headers),
        runs_at="/api/v1/runs/",
    )
    asking = Asking(request.app[DAEMON].now(), entry.timezone)
    asked = params_of(entry.params, {}, body.params, asking)
    return await launch(request, entry, asked, Trigger.ADMIN, wish)


async def pause(request: web.Request) -> web.Response:
    entry = entry_asked(request)
    await pause_job(request, entry, await body_asked(request, PauseBody))
    return await _shown(request, entry)


async def resume(request: web.Request) -> web.Response:
    entry = entry_asked(request)
    await resume_job(request, entry, await body_asked(request, ReasonBody))
    return await _shown(request, entry)


async def _shown(request: web.Request, entry: Entry) -> web.Response:
    daemon = request.app[DAEMON]
    return answer(await _view(daemon, entry, await daemon.health.job_states()))


async def _view(daemon: Daemon, entry: Entry, states: Mapping[str, JobState]) -> dict[str, Any]:
    return job_view(
        entry,
        daemon.jobs[entry.job],
        daemon.clock,
        states.get(entry.name),
        await daemon.runner.store.last_run(entry.name),
    )


ROUTES = (
    Route("GET", "/api/v1/jobs", Access.ADMIN, all_jobs, "All jobs", {200: "Jobs"}),
    Route(
        "GET",
        # What POST does to a job is no part of its name.
        "/api/v1/jobs/{name:(?!.*/(?:trigger|pause|resume)$).+}",
        Access.ADMIN,
        one_job,
        "One job",
        {200: "Job"},
    ),
    Route(
        "POST",
        "/api/v1/jobs/{name:.+}/trigger",
        Access.ADMIN,
        trigger,
        "Run a job by hand",
        {200: "WorkerAnswer", 202: "Accepted"},
        query={"wait": WAIT, "reason": REASON},
        headers={"Idempotency-Key": KEY},
        body=TriggerBody,
    ),
    Route(
        "POST",
        "/api/v1/jobs/{name:.+}/pause",
        Access.ADMIN,
        pause,
        "Keep the clock from running a job",
        {200: "Job"},
        body=PauseBody,
    ),
    Route(
        "POST",
        "/api/v1/jobs/{name:.+}/resume",
        Access.ADMIN,
        resume,
        "End a job's pause",
        {200: "Job"},
        body=ReasonBody,
    ),
)
