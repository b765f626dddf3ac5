"""Starts a run for a caller, waits for its end as long as asked, and says how it went."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID

from aiohttp import web

from scheduler.db.runs import Run
from scheduler.entry import Entry
from scheduler.errors import DatabaseAwayError
from scheduler.run import Status, Trigger
from scheduler.running.fires import fire_by_hand
from scheduler.web.answers import Refusal, answer
from scheduler.web.arguments import Asked
from scheduler.web.front import DATABASE_AWAY
from scheduler.web.keys import DAEMON, Daemon
from scheduler.web.record import Caller

LOOK = 0.25
"""Seconds between looks whether the caller is still there and the daemon is not stopping."""
INTERRUPTED = "the daemon is stopping; the run goes on after its restart"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a caller wants a run."""

    wait: float
    """Seconds."""
    reason: str | None
    idempotency_key: str | None
    runs_at: str
    """Where the caller finds the run later: a path that ends before the id."""


async def launch(
    request: web.Request, entry: Entry, asked: Asked, trigger: Trigger, wish: Wish
) -> web.Response:
    """Raises `Refusal` for every end that is not a success."""
    daemon = request.app[DAEMON]
    run_id = await begin(request, entry, asked, trigger, wish)
    try:
        run = await _ended(request, daemon, run_id, wish.wait)
    except DatabaseAwayError as error:
        # It may well go on; the caller must be able to ask for it later.
        raise Refusal(503, DATABASE_AWAY, run_id=run_id, headers={"Retry-After": "5"}) from error
    return _answer(run, f"{wish.runs_at}{run.id}")


async def begin(
    request: web.Request, entry: Entry, asked: Asked, trigger: Trigger, wish: Wish
) -> UUID:
    """The run that is made, or that the same call has made before. Raises `Refusal`."""
    daemon = request.app[DAEMON]
    caller = Caller.of(request)
    if reason := daemon.health.ready():
        raise Refusal(503, f"no runs are taken now: {reason}", headers={"Retry-After": "5"})
    fire = fire_by_hand(
        entry,
        asked.params,
        trigger=trigger,
        now=daemon.now(),
        requested_by=caller.name,
        reason=wish.reason,
        idempotency_key=wish.idempotency_key,
        asked=asked.names,
    )
    [fired] = await daemon.runner.fire([fire])
    if fired.outcome == "busy":
        raise Refusal(409, f"{entry.name} is already running", run_id=fired.run_id)
    if fired.outcome == "conflict":
        raise Refusal(
            422,
            "this Idempotency-Key was used within 24 h for another job or other arguments",
            fields={"Idempotency-Key": "a key of its own for each job and its arguments"},
            run_id=fired.run_id,
        )
    if fired.outcome in {"started", "queued"}:
        await caller.record(
            "trigger",
            entry.name,
            reason=wish.reason,
            detail={"runId": str(fired.run_id), "params": dict(fire.params)},
        )
    return fired.run_id


async def _ended(request: web.Request, daemon: Daemon, run_id: Any, wait: float) -> Run:
    """The run once it has ended, or as it is after `wait` seconds.

    Raises `Refusal` where the daemon stops before. A caller that hangs up is not waited for.
    """
    waiting = asyncio.create_task(daemon.runner.wait(run_id, wait))
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=LOOK)
            if waiting.done():
                break
            if request.transport is None:
                raise ConnectionResetError("the caller hung up")
            if daemon.health.ready() == "draining":
                run = await daemon.runner.wait(run_id, 0)
                if run is not None and run.status in {Status.QUEUED, Status.RETRYING}:
                    raise Refusal(503, INTERRUPTED, run_id=run_id, headers={"Retry-After": "5"})
        run = waiting.result()
    finally:
        waiting.cancel()
    if run is None:
        raise Refusal(404, "the run is no longer on record", run_id=run_id)
    return run


def _answer(run: Run, location: str) -> web.Response:
    match run.status:
        case Status.SUCCEEDED | Status.SKIPPED:
            return answer({"success": True, "data": run.data or {}, "runId": str(run.id)})
        case Status.QUEUED | Status.RUNNING | Status.RETRYING:
            body = {"success": True, "data": {"status": str(run.status)}, "runId": str(run.id)}
            return answer(body, status=202, headers={"Location": location})
        case Status.TIMED_OUT:
            raise Refusal(504, f"{run.job} timed out: {_error(run)}", run_id=run.id)
        case Status.CANCELLED:
            raise Refusal(409, f"{run.job} was cancelled: {_error(run)}", run_id=run.id)
        case Status.ABANDONED if run.error_type == "Interrupted":
            raise Refusal(503, f"{run.job}: {_error(run)}", run_id=run.id)
        case Status.FAILED if run.error_type == "NotFoundError":
            raise Refusal(404, _error(run), run_id=run.id)
        case Status.FAILED if run.error_type in {"BusyError", "ConflictError"}:
            raise Refusal(409, _error(run), run_id=run.id)
        case Status.FAILED | Status.ABANDONED | Status.MISSED:
            raise Refusal(500, f"{run.job} failed: {_error(run)}", run_id=run.id)
        case _:
            assert_never(run.status)


def _error(run: Run) -> str:
    return run.error_message or "no reason is on record"
